/** Streams that applications publish to, read in the form of Durable Streams. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const viewer = as('viewer')
const chunk = (json: object) => ({ type: 'chunk', data: { json } })

function read(gateway: Gateway, query = '', headers: Record<string, string> = viewer) {
  return fetch(`${gateway.url}/v1/stream/chat/7${query}`, { headers })
}

const write = (gateway: Gateway, ...events: { type: string; data: object }[]) =>
  publish(gateway, events, { stream: 'chat/7' })

async function facts(response: Response) {
  const { status, headers } = response
  const of = (name: string) => headers.get(name)
  return {
    status,
    body: await response.text(),
    next: of('stream-next-offset'),
    upToDate: of('stream-up-to-date'),
    closed: of('stream-closed'),
  }
}

t.test('a page has the messages of a stream, and events of other types as the feed shows them', async t => {
  const gateway = await startGateway(t)
  await gateway.app.database.query(
    `select sluice.publish('acme', 'chat/7', 'chunk', '{"json": {"digits": 1.10,\n "n": 1}}')`,
  )
  await write(gateway, { type: 'order.placed', data: { order: 7 } }, chunk({ n: 2 }))
  await write(gateway, { type: 'chunk.cancel', data: {} })

  const page = await facts(await read(gateway))
  const [first, event, last] = JSON.parse(page.body)

  t.match(page, { status: 200, next: '0000000000000004', upToDate: 'true', closed: null })
  t.ok(page.body.startsWith('[{"digits": 1.10,  "n": 1},'))
  t.same(first, { digits: 1.1, n: 1 })
  t.match(event, { type: 'order.placed', data: { order: 7 }, position: 2 })
  t.same(last, { n: 2 })
})

t.test('a reader continues at its offset, or at an event id, until it is up to date', async t => {
  const gateway = await startGateway(t)
  const [, second = ''] = await write(gateway, chunk({ n: 1 }), chunk({ n: 2 }), chunk({ n: 3 }))

  const after = await facts(await read(gateway, '?offset=0000000000000001'))
  const byId = await facts(await read(gateway, `?offset=${second}`))
  const tail = await facts(await read(gateway, '?offset=0000000000000003'))
  const now = await facts(await read(gateway, '?offset=now'))

  t.equal(after.body, '[{"n":2},{"n":3}]')
  t.equal(byId.body, '[{"n":3}]')
  for (const page of [tail, now])
    t.match(page, { status: 200, body: '[]', next: '0000000000000003', upToDate: 'true' })
})

t.test('an offset that the log does not continue is refused', async t => {
  const gateway = await startGateway(t)
  await write(gateway, chunk({ n: 1 }))
  const cases: [query: string, status: number, code: string][] = [
    ['?offset=0000000000000002', 410, 'unknown-id'],
    ['?offset=1.aaaaaa', 410, 'history-lost'],
    ['?offset=-2', 400, 'invalid-request'],
    ['?offset=', 400, 'invalid-request'],
    ['?offset=1', 400, 'invalid-request'],
    ['?offset=-1&offset=-1', 400, 'invalid-request'],
    ['?live=sse', 400, 'invalid-request'],
    ['?live=long-poll', 400, 'invalid-request'],
    ['?live=x&offset=-1', 400, 'invalid-request'],
    ['?offset=0000000000000002&live=sse', 410, 'unknown-id'],
    ['?offset=0000000000000002&live=long-poll', 410, 'unknown-id'],
  ]
  for (const [query, status, code] of cases) {
    const response = await read(gateway, query)

    t.equal(response.status, status, query)
    t.match(await response.json(), { code }, query)
  }
})

t.test('a long poll waits for a message, without a connection to the database', async t => {
  const gateway = await startGateway(t, { env: { DATABASE_POOL: '2' } })
  await write(gateway, chunk({ n: 1 }))
  const polls = Array.from({ length: 12 }, () => read(gateway, '?offset=0000000000000001&live=long-poll'))
  await until('polls wait', async () => gateway.app.streamSlots.holders.principal === 1)

  await write(gateway, { type: 'chunk.cancel', data: {} })
  await write(gateway, chunk({ n: 2 }))
  const [first, ...others] = await Promise.all((await Promise.all(polls)).map(facts))

  t.match(first, { status: 200, body: '[{"n":2}]', next: '0000000000000003', upToDate: 'true' })
  for (const other of others) t.same(other, first)
})

t.test('a long poll without a message ends with the tail', async t => {
  const gateway = await startGateway(t, { env: { DURABLE_STREAMS_WAIT: '1' } })
  await write(gateway, chunk({ n: 1 }))

  const response = await read(gateway, '?offset=0000000000000001&live=long-poll')

  t.match(response.headers.get('stream-cursor'), /^[0-9]+$/)
  t.match(await facts(response), { status: 204, body: '', next: '0000000000000001', upToDate: 'true' })
})

t.test('a closed stream ends for each kind of reader at once', async t => {
  const gateway = await startGateway(t)
  await write(gateway, chunk({ n: 1 }))
  const poll = read(gateway, '?offset=0000000000000001&live=long-poll')
  const live = await openStream(t, `${gateway.url}/v1/stream/chat/7?offset=-1&live=sse`, { headers: viewer })
  await live.until(1, 'control')

  await fetch(`${gateway.url}/api/streams/chat%2F7/close`, { method: 'POST', headers: as('admin') })
  await live.ended()
  const late = await openStream(t, `${gateway.url}/v1/stream/chat/7?offset=now&live=sse`, { headers: viewer })
  await late.ended()
  const [last] = live.messages.slice(-1)

  t.match(await facts(await poll), { status: 204, closed: 'true', upToDate: 'true' })
  t.match(await facts(await read(gateway)), { status: 200, body: '[{"n":1}]', closed: 'true' })
  for (const end of [last, late.messages[0]])
    t.match(end, { event: 'control', data: /"streamNextOffset":"0000000000000001","streamClosed":true/ })
  const known = { ...viewer, 'last-event-id': last?.id ?? '' }
  t.equal((await read(gateway, '?offset=-1&live=sse', known)).status, 204, 'an EventSource stops')
})

t.test(
  'Server-Sent Events have one data and one control block for each write, and resume by event id',
  async t => {
    const gateway = await startGateway(t)
    await write(gateway, chunk({ n: 1 }), chunk({ n: 2 }))
    const url = `${gateway.url}/v1/stream/chat/7?offset=-1&live=sse`

    const live = await openStream(t, url, { headers: viewer })
    await live.until(1, 'control')
    await write(gateway, chunk({ n: 3 }))
    await live.until(2, 'control')
    const seen = [...live.messages]
    live.close()
    const id = seen.findLast(({ event }) => event === 'data')?.id ?? ''
    await write(gateway, chunk({ n: 4 }))
    const resumed = await openStream(t, url, { headers: { ...viewer, 'last-event-id': id } })
    await resumed.until(1, 'control')

    t.same(
      seen.map(({ event, data }) => (event === 'data' ? data : JSON.parse(data).upToDate)),
      ['[{"n":1},{"n":2}]', true, '[{"n":3}]', true],
    )
    t.match(
      live.text(),
      /\nevent: control\ndata:{"streamNextOffset":"0000000000000003","streamCursor":"[0-9]+"/,
    )
    t.equal(resumed.messages[0]?.data, '[{"n":4}]')
  },
)

t.test('a response of Server-Sent Events ends after its time, and only in this form', async t => {
  const gateway = await startGateway(t, { env: { DURABLE_STREAMS_SSE_AGE: '1' } })
  await write(gateway, chunk({ n: 1 }))
  const native = await openStream(t, `${gateway.url}/api/events?stream=chat/7`, { headers: viewer })

  const live = await openStream(t, `${gateway.url}/v1/stream/chat/7?offset=-1&live=sse`, { headers: viewer })

  t.ok(await live.ended())
  t.notOk(native.response.complete)
})

t.test('a page that is known is not sent again, and a redacted message leaves it', async t => {
  const gateway = await startGateway(t)
  const [first = ''] = await write(gateway, chunk({ secret: 'a' }), chunk({ n: 2 }))
  const etag = (await read(gateway)).headers.get('etag') ?? ''

  const known = await read(gateway, '', { ...viewer, 'if-none-match': etag })
  await fetch(`${gateway.url}/api/events/${first}/redact?stream=chat/7`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: '{"reason":"request 118"}',
  })
  const redacted = await read(gateway, '', { ...viewer, 'if-none-match': etag })

  t.equal(known.status, 304)
  t.equal(redacted.status, 200)
  t.equal(await redacted.text(), '[{"n":2}]')
})

t.test('a caller without the right to a stream learns nothing of it', async t => {
  const gateway = await startGateway(t)
  await write(gateway, chunk({ n: 1 }))

  t.equal((await read(gateway, '', {})).status, 401)
  t.equal((await read(gateway, '', as('viewer', 'other'))).status, 404)
  for (const name of ['a//b', 'a/../b', 'a/', '%2e%2e/b', 'a b', 'x'.repeat(129), '%00']) {
    const response = await fetch(`${gateway.url}/v1/stream/${name}`, { headers: viewer })
    t.ok([400, 404].includes(response.status), name)
  }
})
