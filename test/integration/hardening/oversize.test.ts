/**
 * Requests with too much of everything. The gateway must refuse each while it arrives, or name the limit in the answer,
 * and still answer other callers. To buffer a whole body, to recurse without end or to answer 500 would let a caller
 * stop the gateway.
 */
import t, { type Test } from 'tap'
import { exchange, portOf } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'

const MIB = 1024 * 1024
const gateway = await startGateway(t)
const port = portOf(gateway.url)

interface Attack {
  readonly attack: string
  readonly method?: string
  readonly target: string
  readonly lines?: readonly string[]
  readonly type?: string
  readonly body?: string
  readonly statuses: readonly number[]
}

const HEADS: readonly Attack[] = [
  attackHead('A URL of 20 KB.', `/api/items?search=${'x'.repeat(20_000)}`, [], [414, 431]),
  attackHead('A path of 15 KB in one part.', `/api/items/${'x'.repeat(15_000)}`, [], [414]),
  attackHead('A path of 5,000 parts.', '/a'.repeat(5_000), [], [404]),
  attackHead('3,000 query parameters.', `/api/items?${many(3_000, n => `a${n}`, '&')}`, [], [400, 431]),
  attackHead('One parameter 2,000 times.', `/api/items?${many(2_000, () => 'limit=1', '&')}`, [], [400, 431]),
  attackHead('Brackets in brackets.', `/api/items?a${'[b]'.repeat(2_000)}=1`, [], [400]),
  attackHead('A filter of 33 terms.', `/api/events?types=${many(33, n => `a${n}`, ',')}`, [], [400]),
  attackHead('A filter of 5,000 characters.', `/api/events?types=${'x'.repeat(5_000)}`, [], [400]),
  attackHead('More than there is.', '/api/events?last=1000000000', [], [400]),
  attackHead('A number past all numbers.', `/api/items?limit=${'9'.repeat(400)}`, [], [400]),
  attackHead('A wait for ever.', '/api/events?wait=999999s', [], [400]),
  attackHead('A search of 1,000 characters.', `/api/items?search=${'x'.repeat(1_000)}`, [], [400]),
  attackHead('A cursor of 5 KB.', `/api/items?cursor=${'A'.repeat(5_000)}`, [], [400]),
  attackHead('A header of 20 KB.', '/api/items', [`X-Big: ${'x'.repeat(20_000)}`], [431]),
  attackHead('3,000 headers.', '/api/items', [many(3_000, n => `X-${n}: y`, '\r\n')], [431]),
  attackHead('A cookie of 15 KB.', '/api/items', [`Cookie: ${'a=b; '.repeat(3_000)}`], [200]),
  attackHead('An ETag of 10 KB.', '/api/items/A01', [`If-None-Match: ${'"a",'.repeat(2_500)}`], [404]),
  attackHead(
    'An Accept that some parse in quadratic time.',
    '/api/items',
    [`Accept: ${'a;'.repeat(5_000)}`],
    [200],
  ),
  attackHead('A method of 10,000 letters.', '/api/items', [], [400], 'X'.repeat(10_000)),
]

const BODIES: readonly Attack[] = [
  attackBody('A byte more than a body may have.', '/api/events', `"${'x'.repeat(MIB)}"`, [413]),
  attackBody('An event above its size.', '/api/events', event({ text: 'x'.repeat(262_140) }), [413]),
  attackBody('1,001 events.', '/api/events', `[${many(1_001, () => event({}), ',')}]`, [400]),
  attackBody('No event, 300,000 times.', '/api/events', `[${many(300_000, () => '{}', ',')}]`, [400]),
  attackBody('65 levels.', '/api/events', `{"type":"a","data":${nested(65)}}`, [400]),
  attackBody('100,000 levels of objects.', '/api/events', `{"type":"a","data":${nested(100_000)}}`, [400]),
  attackBody(
    '500,000 levels of lists.',
    '/api/events',
    `${'['.repeat(500_000)}${']'.repeat(500_000)}`,
    [400],
  ),
  attackBody('500,000 levels that never end.', '/api/events', '['.repeat(500_000), [400]),
  attackBody('40,000 unknown fields.', '/api/items', `{${many(40_000, n => `"a${n}":1`, ',')}}`, [400]),
  attackBody('A field name of 900 KB.', '/api/items', `{"${'x'.repeat(900_000)}":1}`, [400]),
  attackBody(
    'A name that is there 60,000 times.',
    '/api/items',
    `{${many(60_000, () => '"part_number":"A"', ',')}}`,
    [400, 413],
  ),
  attackBody(
    'A number of 900,000 digits.',
    '/api/events',
    `{"type":"a","data":{"n":${'9'.repeat(900_000)}}}`,
    [201, 400],
  ),
  attackBody('Properties above their size.', '/api/items', item({ text: 'x'.repeat(70_000) }), [400]),
  attackBody('A part number of 65 characters.', '/api/items', item({}, 'A'.repeat(65)), [400]),
  attackBody(
    'A payload above its size.',
    '/api/jobs',
    `{"kind":"a","payload":{"a":"${'x'.repeat(70_000)}"}}`,
    [413],
  ),
  attackBody(
    'A command of 800 KB.',
    '/projects/website/shell',
    `{"command":"${'x'.repeat(800_000)}"}`,
    [400, 413],
  ),
  attackBody(
    '101 kinds.',
    '/api/jobs/claim',
    `{"runner":"a","kinds":[${many(101, n => `"k${n}"`, ',')}]}`,
    [400, 403],
  ),
  attackBody(
    '65 ranges of a key.',
    '/api/keys',
    `{"name":"a","role":"viewer","allowed_ips":[${many(65, n => `"10.0.0.${n}"`, ',')}]}`,
    [400],
  ),
  attackBody(
    'A ticket for 900 KB of path.',
    '/api/stream-tickets',
    `{"path":"/${'x'.repeat(900_000)}"}`,
    [400],
  ),
  attackBody(
    'An idempotency key of 5,000 characters.',
    '/api/events',
    event({}),
    [400],
    [`Idempotency-Key: ${'k'.repeat(5_000)}`],
  ),
]

t.test('an oversized request is refused, and the next one is served', async t => {
  for (const { attack, method = 'GET', target, lines = [], type, body, statuses } of [...HEADS, ...BODIES]) {
    const head = [
      `${method} ${target} HTTP/1.1`,
      'Host: x',
      'Connection: close',
      `Authorization: ${as('admin').authorization}`,
      ...lines,
      ...(lines.some(line => line.startsWith('Accept')) ? [] : ['Accept: application/json']),
      ...(body === undefined ? [] : [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`]),
    ]
    const answer = await exchange(port, `${head.join('\r\n')}\r\n\r\n${body ?? ''}`)
    const [status = 0] = answer.statuses
    // A server that stops reading may break the connection before its refusal has been read.
    const isBroken = status === 0 && (body?.length ?? target.length) > MIB - 100
    if (!statuses.includes(status) && !isBroken) t.fail(`${attack} ${status}: ${answer.text.slice(0, 500)}`)
    if (answer.text.length > 5_000 && status >= 400)
      t.fail(`${attack} The refusal has ${answer.text.length} bytes.`)
  }
  await isWell(t)
})

// Attack: no Content-Length, and the body never ends.
t.test('a body without an end is cut off', async t => {
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  const head = ['POST /api/events HTTP/1.1', 'Host: x', `Authorization: ${as('editor').authorization}`]
  const text = [...head, 'Content-Type: application/json', 'Transfer-Encoding: chunked', 'Connection: close']

  const { statuses } = await exchange(port, `${text.join('\r\n')}\r\n\r\n${chunk.repeat(64)}`)

  t.ok(statuses.length === 0 || statuses[0] === 413, `${statuses}`)
  await isWell(t)
})

// Attack: a gigabyte is announced, so that room for it is made before a byte has come.
t.test('an announced length that is too large is refused before the body', async t => {
  const head = ['POST /api/events HTTP/1.1', 'Host: x', `Authorization: ${as('editor').authorization}`]
  const text = [...head, 'Content-Type: application/json', 'Content-Length: 1000000000', 'Connection: close']

  const { statuses } = await exchange(port, `${text.join('\r\n')}\r\n\r\n`)

  t.same(statuses, [413])
})

// Attack: a line of an upload that never ends is kept until memory does.
t.test('a line of an upload that never ends is refused', async t => {
  const headers = { ...as('editor'), 'content-type': 'application/json' }
  const made = await fetch(`${gateway.url}/api/jobs`, {
    method: 'POST',
    headers,
    body: '{"kind":"build","started":true}',
  })
  const { id } = Object(await made.json())

  const response = await fetch(`${gateway.url}/api/jobs/${id}/events`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/x-ndjson' },
    body: `{"type":"output","data":{"line":"${'x'.repeat(3 * MIB)}`,
  })

  t.ok(response.status >= 400 && response.status < 500, `${response.status}`)
  t.match(response.headers.get('content-type'), 'problem+json')
  await isWell(t)
})

async function isWell(t: Test): Promise<void> {
  const headers = { ...as('editor'), 'content-type': 'application/json' }
  const request = { method: 'POST', headers, body: event({}) }
  t.equal((await fetch(`${gateway.url}/api/events`, request)).status, 201, 'a publish afterwards')
}

function attackHead(
  attack: string,
  target: string,
  lines: readonly string[],
  statuses: readonly number[],
  method = 'GET',
): Attack {
  return { attack, method, target, lines, statuses }
}

function attackBody(
  attack: string,
  target: string,
  body: string,
  statuses: readonly number[],
  lines: readonly string[] = [],
): Attack {
  return { attack, method: 'POST', target, type: 'application/json', body, statuses, lines }
}

function event(data: object): string {
  return JSON.stringify({ type: 'thing.made', data })
}

function item(properties: object, part_number = 'A01'): string {
  return JSON.stringify({ part_number, description: 'Bracket', item_type: 'part', properties })
}

function nested(levels: number): string {
  return `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
}

function many(count: number, text: (n: number) => string, separator: string): string {
  return Array.from({ length: count }, (_, n) => text(n)).join(separator)
}
