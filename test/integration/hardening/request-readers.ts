/** Each place of a request that takes a text, as a function that sends the text there to a gateway and reads the whole answer. */
import type { InjectOptions } from 'fastify'
import type { Test } from 'tap'
import { as, startGateway } from '../../harness/gateway.js'

type Readers = Readonly<Record<string, (text: string) => Promise<unknown>>>

const HEADERS = [
  'accept',
  'accept-encoding',
  'access-control-request-headers',
  'cookie',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'last-event-id',
  'origin',
  'prefer',
  'range',
  'traceparent',
  'x-forwarded-for',
  'x-request-id',
]
const PARAMETERS = ['after', 'from', 'limit', 'stream', 'token', 'types', 'where']
/** Not a stream, which would not end. */
const PAGE = { accept: 'application/json' }
const EVENT = '{"type":"a","data":{}}'
const JSON_TYPE = { 'content-type': 'application/json' }

export async function requestReaders(t: Test): Promise<Readers> {
  const { app } = await startGateway(t, {
    env: { TRUSTED_PROXIES: 'loopback', CORS_ORIGINS: 'https://a.example' },
  })
  const ask = (request: InjectOptions) =>
    app.inject({
      method: 'GET',
      url: '/api/items',
      ...request,
      headers: { ...as('editor'), ...request.headers },
    })
  const post = (url: string, payload: string, headers = JSON_TYPE) =>
    ask({ method: 'POST', url, payload, headers })
  return {
    'a path': text => ask({ url: `/${inPath(text)}` }),
    'a part of a path': text => ask({ url: `/api/items/${inPart(text)}` }),
    'the path of a file': text => ask({ url: `/guide/${inPath(text)}` }),
    'the path of a durable stream': text => ask({ url: `/v1/stream/${inPath(text)}` }),
    'a query': text => ask({ url: `/api/items?${inPath(text)}` }),
    ...Object.fromEntries(
      PARAMETERS.map(name => [
        `the parameter ${name}`,
        (text: string) => ask({ url: `/api/events?${name}=${inPart(text)}`, headers: PAGE }),
      ]),
    ),
    ...Object.fromEntries(
      HEADERS.map(name => [
        `the header ${name}`,
        (text: string) => ask({ headers: { [name]: inHeader(text) } }),
      ]),
    ),
    'a preflight': text =>
      ask({
        method: 'OPTIONS',
        headers: { origin: 'https://a.example', 'access-control-request-method': inHeader(text) },
      }),
    'a credential': text => ask({ headers: { authorization: inHeader(text) } }),
    'a token': text => ask({ headers: { authorization: `Bearer ${inHeader(text)}` } }),
    'the content of a token': text =>
      ask({
        headers: {
          authorization: `Bearer ${part('{"alg":"HS256"}')}.${part(`{"sub":${JSON.stringify(text)}}`)}.a`,
        },
      }),
    'the head of a token': text =>
      ask({
        headers: { authorization: `Bearer ${part(`{"alg":${JSON.stringify(text)}}`)}.${part('{}')}.a` },
      }),
    'the type of a body': text => post('/api/events', '{}', { 'content-type': inHeader(text) }),
    'a body': text => post('/api/events', text),
    'an array': text => post('/api/events', `[${text}]`),
    'a member': text => post('/api/items', JSON.stringify({ [text]: 1, part_number: text })),
    'many members': text =>
      post('/api/items', JSON.stringify(Object.fromEntries([...text].map((one, n) => [n, one])))),
    'a type of an event': text => post('/api/events', JSON.stringify({ type: text, data: {} })),
    'the data of an event': text => post('/api/events', JSON.stringify({ type: 'a', data: { a: text } })),
    'many events': text =>
      post(
        '/api/events',
        `[${Array(Math.ceil(text.length / EVENT.length))
          .fill(EVENT)
          .join()}]`,
      ),
    'a CloudEvent': text =>
      post(
        '/api/events',
        JSON.stringify({ specversion: '1.0', id: text, source: text, type: 'a', data: text }),
        {
          'content-type': 'application/cloudevents+json',
        },
      ),
    'a job': text => post('/api/jobs', JSON.stringify({ kind: 'a', title: text, payload: { a: text } })),
    'a path for a ticket': text =>
      post('/api/stream-tickets', JSON.stringify({ path: `/api/events?types=${text}` })),
    'grants of a key': text =>
      post(
        '/api/keys',
        JSON.stringify({ name: text, role: 'viewer', allowed_ips: [text], grants: { streams: [text] } }),
      ),
    'a message of a durable stream': text => post('/v1/stream/rooms/1', text),
    'text for a durable stream': text => post('/v1/stream/rooms/1', text, { 'content-type': 'text/plain' }),
  }
}

/** As long as the text, so that its last escape may be cut. */
function inPath(text: string): string {
  return encodeURI(text).slice(0, text.length)
}

function inPart(text: string): string {
  return encodeURIComponent(text).slice(0, text.length)
}

function part(text: string): string {
  return Buffer.from(text).toString('base64url')
}

/** What no header can hold is left out, as every client does. */
function inHeader(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
}
