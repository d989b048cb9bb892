/** Attacks on the Durable Streams dialect: names that reach elsewhere, headers that are not what they say, bodies that never end. */
import { connect } from 'node:net'
import t from 'tap'
import { exchange, portOf, requestText } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const gateway = await startGateway(t)
const base = `${gateway.url}/v1/stream`
const JSON_TYPE = { 'content-type': 'application/json' }
const editor = { ...as('editor'), ...JSON_TYPE }
const stranger = { ...as('editor', 'other'), ...JSON_TYPE }

function send(method: string, name: string, headers: Record<string, string> = {}, body?: string | Buffer) {
  const bytes = body === undefined ? undefined : new Uint8Array(Buffer.from(body))
  return fetch(`${base}/${name}`, {
    method,
    headers: { ...editor, ...headers },
    ...(bytes && { body: bytes }),
  })
}

async function stored(name: string): Promise<number> {
  const { rows } = await gateway.app.database.query(
    `select count(*)::int as stored from sluice.events e join sluice.streams s on s.id = e.stream_id where s.name = $1`,
    [name],
  )
  return rows[0].stored
}

// Attack: reach another stream, or another route, by a path that one part of the gateway reads in another way.
t.test('a path that is no name of a stream is refused, however it is written', async t => {
  const names = [
    ...[
      '..',
      'a/../b',
      'a/%2e%2e/b',
      'a%2f..%2fb',
      '%2e%2e%2fapi',
      'a//b',
      'a/',
      '%00',
      'a%00b',
      'a%0d%0aX: y',
    ],
    ...['%ff', '%c3%a4', 'a%20b', 'a%252fb', `${'a'.repeat(129)}`, 'a%3Fb', 'a%23b', 'a\\b', '%', ''],
  ]
  for (const name of names) {
    for (const method of ['PUT', 'POST', 'GET', 'DELETE']) {
      const text = requestText(method, `/v1/stream/${name}`, { ...editor, 'content-length': '0' })
      const { statuses } = await exchange(portOf(gateway.url), text)
      const [status = 0] = statuses
      t.ok(status >= 400 && status < 500, `${method} ${name}: ${status}`)
    }
  }
  const { rows } = await gateway.app.database.query(
    `select name from sluice.streams where workspace = 'acme'`,
  )
  t.strictSame(rows, [])
})

t.test('a workspace neither sees nor forks the streams of another one', async t => {
  t.equal((await send('PUT', 'secret', {}, '[{"secret":1}]')).status, 201)
  const fork = (from: string) => send('PUT', 'copy', { ...stranger, 'stream-forked-from': from })

  for (const method of ['GET', 'HEAD', 'DELETE']) {
    t.equal((await send(method, 'secret', stranger)).status, 404, method)
  }
  t.equal((await send('POST', 'secret', stranger, '{}')).status, 404, 'POST')
  t.equal((await fork('/v1/stream/secret')).status, 404)
  const odd = [
    ...[
      '//evil.example/v1/stream/secret',
      'http://127.0.0.1/v1/stream/secret',
      '/v1/stream/../stream/secret',
      '',
    ],
    ...[
      '/V1/stream/secret',
      'secret',
      '/v1/stream/',
      '/v1/stream/secret?x',
      '/v1/stream/secret#x',
      '/api/events',
    ],
    ...['/v1/stream/%', '/v1/stream/a%00', '/v1/stream/%2e%2e/secret', '/v1/streams/secret'],
  ]
  for (const from of odd) {
    const { status } = await fork(from)
    t.ok([400, 404].includes(status), `fork from '${from}': ${status}`)
  }
  const { rows } = await gateway.app.database.query(
    `select name from sluice.streams where workspace = 'other'`,
  )
  t.strictSame(rows, [])
})

t.test('grants hold for reading, writing and forking', async t => {
  t.equal((await send('PUT', 'closed/1', {}, '[1]')).status, 201)
  const limited = bearer(token({ role: 'editor', sluice: { subscribe: ['open/*'], publish: ['open/*'] } }))
  for (const [method, body] of [['GET'], ['HEAD'], ['DELETE'], ['POST', '{}']] as const) {
    const { status } = await send(method, 'closed/1', limited, body)
    t.ok([403, 404].includes(status), `${method}: ${status}`)
  }
  const fork = { ...limited, 'stream-forked-from': '/v1/stream/closed/1' }
  t.ok([403, 404].includes((await send('PUT', 'open/copy', fork)).status))
  t.equal((await send('GET', 'closed/1')).status, 200, 'it is still there')
})

t.test('numbers and times in headers are refused unless they are written plainly', async t => {
  const whole = [
    '-1',
    '+1',
    '01',
    '1.0',
    '1e3',
    '0x1',
    ' ',
    '٣',
    '9007199254740993',
    '9'.repeat(400),
    'NaN',
    '1,2',
  ]
  for (const ttl of whole.filter(text => text !== '٣')) {
    const { status } = await send('PUT', 'ttl', { 'stream-ttl': ttl })
    t.equal(status, 400, `Stream-TTL: ${ttl.slice(0, 20)}`)
  }
  for (const at of [
    'now',
    '2026-13-01T00:00:00Z',
    '2026-01-01',
    '99999999999',
    '2026-02-30T25:00:00Z',
    '-1',
  ]) {
    t.equal((await send('PUT', 'ttl', { 'stream-expires-at': at })).status, 400, `Stream-Expires-At: ${at}`)
  }
  t.equal((await send('PUT', 'numbers')).status, 201)
  for (const n of whole.filter(text => text !== '٣')) {
    const producer = { 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0' }
    for (const header of ['producer-epoch', 'producer-seq']) {
      const { status } = await send('POST', 'numbers', { ...producer, [header]: n }, '{}')
      t.equal(status, 400, `${header}: ${n.slice(0, 20)}`)
    }
  }
  for (const id of ['', ' ', 'x'.repeat(10_000)]) {
    const producer = { 'producer-id': id, 'producer-epoch': '0', 'producer-seq': '0' }
    t.equal((await send('POST', 'numbers', producer, '{}')).status, 400, `Producer-Id of ${id.length}`)
  }
  t.equal((await send('POST', 'numbers', { 'stream-seq': 'x'.repeat(10_000) }, '{}')).status, 400)
  t.equal(await stored('numbers'), 0)
})

t.test('offsets are refused unless they are of ours; one beyond the end is gone', async t => {
  t.equal((await send('PUT', 'offsets', {}, '[1,2]')).status, 201)
  for (const offset of [
    '0',
    '1',
    '-2',
    '00',
    '1e3',
    'NOW',
    '0000000000000001%00',
    '../x',
    'a'.repeat(60),
    '%27',
    '1,2',
  ]) {
    t.equal((await send('GET', `offsets?offset=${offset}`)).status, 400, offset.slice(0, 20))
  }
  for (const offset of ['0000000000000003', '9007199254740993', '9999999999999999']) {
    const { status } = await send('GET', `offsets?offset=${offset}`)
    t.ok([400, 410].includes(status), `${offset}: ${status}`)
  }
  for (const query of [
    'offset=-1&live=websocket',
    'live=sse',
    'offset=-1&offset=now',
    'offset=-1&live=sse&live=sse',
  ]) {
    t.equal((await send('GET', `offsets?${query}`)).status, 400, query)
  }
})

t.test('content types are compared, stored and sent back as plain text', async t => {
  const evil = 'text/html; charset=utf-8'
  t.equal((await send('PUT', 'page', { 'content-type': evil }, '<script>alert(1)</script>')).status, 201)

  const page = await send('GET', 'page')

  t.equal(page.headers.get('x-content-type-options'), 'nosniff')
  t.match(
    page.headers.get('content-security-policy') ?? '',
    /sandbox|default-src 'none'/,
    'a page of a caller runs no script',
  )
  t.equal((await send('PUT', 'long', { 'content-type': `text/${'x'.repeat(5_000)}` })).status, 400)
  const injected = requestText('PUT', '/v1/stream/injected', {
    ...editor,
    'content-type': 'text/plain\x0bX-Evil: 1',
    'content-length': '0',
  })
  const { text } = await exchange(portOf(gateway.url), injected)
  t.notMatch(text, /^X-Evil/im)
})

t.test('a JSON body is refused unless it is JSON in UTF-8, and nothing of it is stored', async t => {
  t.equal((await send('PUT', 'bodies')).status, 201)
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const bodies = [
    '{',
    'nul',
    '[1,]',
    '[1,2',
    '01',
    '"\\x"',
    '{"a":1}{"b":2}',
    '\u0000',
    '[]',
    ' [ ] ',
    deep,
    '[1]x',
    '"\u0001"',
  ]
  for (const body of [
    ...bodies,
    Buffer.from('"\xfc"', 'latin1'),
    Buffer.from('[1,"\xed\xa0\x80"]', 'latin1'),
  ]) {
    const { status } = await send('POST', 'bodies', {}, body)
    t.ok([400, 413].includes(status), `${body.toString('latin1').slice(0, 20)}: ${status}`)
  }
  t.equal(
    (await send('POST', 'bodies', {}, JSON.stringify('x'.repeat(300_000)))).status,
    413,
    'too large a message',
  )
  t.equal(
    (await send('POST', 'bodies', {}, `[1,${JSON.stringify('x'.repeat(300_000))}]`)).status,
    413,
    'all or nothing',
  )
  t.equal(await stored('bodies'), 0)
})

t.test('digits, escapes, keys and their order stay as they were written', async t => {
  const texts = [
    '1.10',
    '123456789012345678901234567890',
    '-0',
    '1E+400',
    '{"b":1,"a":2,"b":3}',
    '"\\u00e4\\ud800"',
    '"]["',
    '{"__proto__":1}',
  ]
  t.equal((await send('PUT', 'digits', {}, `[${texts.join(',')}]`)).status, 201)

  t.equal(await (await send('GET', 'digits')).text(), `[${texts.join(',')}]`)
})

// Attack: one short request that keeps a stream locked for seconds.
t.test('a body of too many messages is refused', async t => {
  t.equal((await send('PUT', 'many')).status, 201)
  const messages = (count: number) => send('POST', 'many', {}, `[${'1,'.repeat(count - 1)}1]`)

  t.equal((await messages(10_000)).status, 204)
  const refused = await messages(10_001)

  t.equal(refused.status, 413)
  t.match(await refused.json(), { code: 'body-too-large', detail: /10001 messages; the limit is 10000/ })
  t.equal(await stored('many'), 10_000)
})

// Attack: keep a connection and memory by a body without an end.
t.test('a body that never ends is cut off, and stores nothing', async t => {
  t.equal((await send('PUT', 'endless', { 'content-type': 'text/plain' })).status, 201)
  const socket = connect(Number(portOf(gateway.url)), '127.0.0.1').on('error', () => {})
  t.teardown(() => socket.destroy())
  let answer = ''
  socket.setEncoding('latin1').on('data', text => (answer += text))
  const head = { ...editor, 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }
  socket.write(requestText('POST', '/v1/stream/endless', head))
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  const pump = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', pump)
  pump()

  await until('it is refused', () => socket.destroyed || answer.includes('HTTP/1.1 4'))
  t.match(answer.slice(0, 12), /^(HTTP\/1\.1 413|$)/)
  t.equal(await stored('endless'), 0)
})

t.test('a stream that is deleted and made again is another one', async t => {
  t.equal((await send('PUT', 'again', {}, '["old 1","old 2","old 3"]')).status, 201)
  const old = await send('GET', 'again?offset=0000000000000001')
  const tag = old.headers.get('etag') ?? ''
  t.equal((await send('GET', 'again?offset=0000000000000001', { 'if-none-match': tag })).status, 304)
  t.equal((await send('DELETE', 'again')).status, 204)
  t.equal((await send('PUT', 'again', {}, '["new 1","new 2","new 3"]')).status, 201)

  const page = await send('GET', 'again?offset=0000000000000001', { 'if-none-match': tag })
  t.equal(page.status, 200, 'its entity tag is not that of the old one')
})

t.test('chains of forks end, and so do deleted ones', async t => {
  t.equal((await send('PUT', 'fork/0', {}, '[0]')).status, 201)
  for (let n = 1; n <= 20; n += 1) {
    const { status } = await send('PUT', `fork/${n}`, { 'stream-forked-from': `/v1/stream/fork/${n - 1}` })
    t.equal(status, 201)
  }
  t.equal((await send('PUT', 'fork/self', { 'stream-forked-from': '/v1/stream/fork/self' })).status, 404)
  for (let n = 0; n < 20; n += 1) t.equal((await send('DELETE', `fork/${n}`)).status, 204)
  t.equal((await send('GET', 'fork/0')).status, 410)
  t.equal((await send('PUT', 'fork/0')).status, 409)
  t.equal(await (await send('GET', 'fork/20')).text(), '[0]', 'the last one has its copy')
  t.equal((await send('DELETE', 'fork/20')).status, 204)
  await until('all are gone', async () => (await send('GET', 'fork/0')).status === 404)
})

t.test('a stream expires for all operations at once, and takes an enormous TTL', async t => {
  t.equal((await send('PUT', 'ttl/0', { 'stream-ttl': '0' }, '[1]')).status, 201)
  await until('it has expired', async () => (await send('HEAD', 'ttl/0')).status === 404)
  const answers = await Promise.all([
    send('GET', 'ttl/0'),
    send('POST', 'ttl/0', {}, '1'),
    send('DELETE', 'ttl/0'),
  ])
  t.strictSame(
    answers.map(({ status }) => status),
    [404, 404, 404],
  )
  const { status } = await send('PUT', 'ttl/long', { 'stream-ttl': '9007199254740991' }, '[1]')
  t.ok([201, 400].includes(status), `an enormous TTL: ${status}`)
  const past = await send('PUT', 'ttl/past', { 'stream-expires-at': '0001-01-01T00:00:00Z' }, '[1]')
  t.ok(past.status < 500, `${past.status}`)
  const future = await send('PUT', 'ttl/future', { 'stream-expires-at': '9999-12-31T23:59:59Z' }, '[1]')
  t.ok(future.status < 500, `${future.status}`)
})

t.test('the same producer stores a batch once, however often and at once it is sent', async t => {
  t.equal((await send('PUT', 'flood')).status, 201)
  const producer = { 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0' }
  const answers = await Promise.all(Array.from({ length: 30 }, () => send('POST', 'flood', producer, '1')))

  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ status }) => status === 204).length, 29)
  t.equal(await stored('flood'), 1)
})

// Attack: go on reading with credentials that have been withdrawn.
t.test('a revoked key ends a long poll and a followed stream', async t => {
  t.equal((await send('PUT', 'revoked')).status, 201)
  const admin = { ...as('admin'), ...JSON_TYPE }
  const made = await fetch(`${gateway.url}/api/keys`, {
    method: 'POST',
    headers: admin,
    body: JSON.stringify({ name: 'reader', role: 'viewer' }),
  })
  const { id, key } = Object(await made.json())
  const sse = await fetch(`${base}/revoked?offset=-1&live=sse`, { headers: bearer(key) })
  t.equal(sse.status, 200)
  const followed = sse.text().then(
    () => 'ended',
    () => 'ended',
  )
  const poll = fetch(`${base}/revoked?offset=now&live=long-poll`, { headers: bearer(key) })
  const polled = poll.then(
    ({ status }) => status,
    () => 0,
  )

  t.equal(
    (await fetch(`${gateway.url}/api/keys/${id}`, { method: 'DELETE', headers: as('admin') })).status,
    204,
  )
  t.equal((await send('POST', 'revoked', {}, '["secret"]')).status, 204)

  t.equal(await followed, 'ended')
  const status = await polled
  t.comment(`the long poll ended with ${status}`)
  t.equal((await fetch(`${base}/revoked`, { headers: bearer(key) })).status, 401)
})
