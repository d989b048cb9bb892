/** Requests that a gateway takes, as its description says, and what chance makes of them. */
import { as } from './gateway.js'
import type { Pipelined, RawRequest } from './keep-alive-client.js'
import type { Random } from './random.js'
import { randomData, randomWhere } from './random-content.js'
import { randomText } from './random-text.js'

/** A request as the API's description has it. */
export interface Template {
  readonly method: string
  /** Its parameters filled. */
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | undefined
}

const ROLES = ['viewer', 'editor', 'admin', 'runner'] as const
const CREDENTIALS = ROLES.map(role => as(role).authorization)
const TYPES = [
  'application/json',
  'application/cloudevents+json',
  'application/x-ndjson',
  'text/plain',
  '',
  'a/b;;;',
] as const
const ACCEPTS = [
  '*/*',
  'application/json',
  'text/event-stream',
  'application/x-ndjson',
  'a/b',
  ';q=',
  '*/*;q=9',
] as const
const NUMBERS = [
  '0',
  '-1',
  '1e9',
  '9007199254740993',
  '99999999999999999999',
  '0x10',
  'NaN',
  '1.5',
  '-0',
] as const
const ESCAPES = [
  '%',
  '%0',
  '%00',
  '%0d%0a',
  '%2e%2e/',
  '%2F',
  '%ff',
  '%ed%a0%80',
  '%F0%9F',
  '%25',
  '+',
  '//',
  '/../',
  ';',
  '&',
  '=',
] as const
const IDS = [
  '1.aaaaaa',
  '0',
  '1',
  '1.',
  '.aaaaaa',
  '9007199254740991.aaaaaa',
  '-1',
  'now',
  'unknown',
  '1.aaaaaa\t',
] as const
const JSONS = [
  'null',
  '[]',
  '{}',
  '""',
  '1e999',
  '-0',
  '{"a":',
  '"\\ud800"',
  '"\\u0000"',
  '{"__proto__":1}',
  ',',
] as const

/** Bytes of a head that is longer than any server takes. */
const TOO_LONG = 20_000

/** Mostly one request; sometimes several that are sent at once, some of them cut anywhere. */
export function mutatedBatch(
  templates: readonly Template[],
  random: Random,
): Pipelined & { requests: RawRequest[] } {
  const count = random.integer(10) === 0 ? 2 + random.integer(6) : 1
  const requests = Array.from({ length: count }, () => mutatedRequest(templates, random))
  if (random.integer(200) === 0) requests.push(withLongHead(mutatedRequest(templates, random), random))
  const kind = random.integer(count > 1 ? 4 : 40)
  return { requests, cutAt: kind < 2 ? random.integer(1_000) / 1_000 : 1, half: kind === 0 }
}

function withLongHead(request: RawRequest, random: Random): RawRequest {
  const long = 'x'.repeat(TOO_LONG)
  if (random.integer(2) === 0) return { ...request, target: `${request.target}${long}` }
  return { ...request, headers: [...request.headers, `X-Long: ${long}`] }
}

export function mutatedRequest(templates: readonly Template[], random: Random): RawRequest {
  const template = templates[random.integer(templates.length)] as Template
  const query = template.query
    .filter(() => random.integer(2) === 0)
    .map(([name, value]) => [name, value] as const)
  let { method, path, body } = template
  const values = new Map(query)
  const headers = new Map(template.headers.filter(() => random.integer(2) === 0))
  headers.set('Authorization', CREDENTIALS[random.integer(CREDENTIALS.length)] ?? '')
  if (body !== undefined) headers.set('Content-Type', 'application/json')
  for (let left = 1 + random.integer(3); left > 0; left -= 1) {
    const change = random.integer(10)
    if (change === 0) path = mutatedText(path, random)
    else if (change < 3)
      values.set(nameIn(values, random), mutatedText([...values.values()][0] ?? '', random))
    else if (change === 3)
      values.set('where', random.integer(2) ? randomWhere(random) : mutatedText(randomWhere(random), random))
    else if (change === 4) headers.set('Last-Event-ID', mutatedText(random.pick(IDS), random))
    else if (change === 5)
      headers.set(
        random.pick([
          'Accept',
          'If-Match',
          'If-None-Match',
          'Idempotency-Key',
          'Cookie',
          'traceparent',
          'Prefer',
          'X-Job-Attempt',
          'Stream-Seq',
          'Producer-Id',
          'Producer-Epoch',
          'Producer-Seq',
          'Range',
        ]),
        mutatedText(random.pick(ACCEPTS), random),
      )
    else if (change === 6) headers.set('Accept', random.pick(ACCEPTS))
    else if (body === undefined)
      values.set(
        random.pick(['stream', 'types', 'limit', 'last', 'cursor', 'offset', 'live']),
        mutatedText(random.pick(NUMBERS), random),
      )
    else if (change === 7) headers.set('Content-Type', random.pick(TYPES))
    else body = mutatedBody(body, random)
  }
  if (random.integer(50) === 0)
    method = random.pick(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'])
  // A long poll would hold its connection for as long as it asks.
  values.delete('wait')
  if (values.get('live') === 'long-poll') values.delete('live')
  const search = [...values]
    .map(([name, value]) => `${name}=${random.integer(2) ? encode(value) : value}`)
    .join('&')
  return {
    method,
    target: inTarget(search === '' ? path : `${path}?${search}`),
    headers: [...headers].map(([name, value]) => `${name}: ${inHeader(value)}`),
    body: body === undefined ? undefined : Buffer.from(body, random.integer(20) === 0 ? 'latin1' : 'utf8'),
  }
}

function nameIn(values: ReadonlyMap<string, string>, random: Random): string {
  const names = [...values.keys()]
  return (
    names[random.integer(names.length + 1)] ??
    random.pick(['limit', 'types', 'last_event_id', 'a[b]', '__proto__', ''])
  )
}

function mutatedBody(body: string, random: Random): string {
  const kind = random.integer(5)
  if (kind === 0) return body.replace(/\{\}/, () => randomData(random))
  if (kind === 1)
    return body.replace(/"(?:[^"\\]|\\.)*"(?=[,}\]])/, () =>
      random.pick([...JSONS, JSON.stringify(randomText(random))]),
    )
  if (kind === 2) return random.pick(JSONS)
  if (kind === 3) return `[${body},${body}]`
  return mutatedText(body, random)
}

function mutatedText(text: string, random: Random): string {
  const at = random.integer(text.length + 1)
  const rest = text.slice(at)
  switch (random.integer(6)) {
    case 0:
      return text.slice(0, at) + rest.slice(1 + random.integer(4))
    case 1:
      return text.slice(0, at) + randomText(random) + rest
    case 2:
      return text.slice(0, at) + random.pick(ESCAPES) + rest
    case 3:
      return random.pick([...NUMBERS, ...IDS])
    case 4:
      return text.slice(0, at) + text.slice(0, 200).repeat(random.integer(4)) + rest
    default:
      return (
        text.slice(0, at) +
        String.fromCharCode(random.integer(random.pick([128, 256, 65_536]))) +
        rest.slice(1)
      )
  }
}

function encode(value: string): string {
  return encodeURIComponent(Buffer.from(value).toString())
}

/** What would end the request line is escaped, or the rest would be another request. */
function inTarget(text: string): string {
  return inHeader(text).replaceAll(' ', '%20').slice(0, 12_000)
}

function inHeader(text: string): string {
  return text.replace(/[\r\n]/g, '').slice(0, 2_000)
}
