/**
 * A gateway that comes near the end of its memory: what it refuses and how, and that it lives. Only the last test fills a
 * heap; elsewhere the memory is as full as the test says.
 */
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startProcess } from '../../harness/process.js'
import { connectRaw, get, type RawClient } from '../../harness/raw-client.js'
import { until } from '../../harness/until.js'

const json = { ...as('editor'), 'content-type': 'application/json' }
const head = ({ authorization }: { authorization: string }, ...lines: string[]) =>
  [`Authorization: ${authorization}`, ...lines, ''].join('\n')

async function fillable(t: Test) {
  const memory = { heap: 0.2, resident: 0.2 }
  const gateway = await startGateway(t, { readMemory: () => memory })
  const fill = async (share: number, state: string) => {
    memory.resident = share
    await until(`memory is ${state}`, () => gateway.app.memory.state === state)
  }
  return { gateway, fill }
}

t.test('while memory is low a new stream gets a retry time, and open streams go on', async t => {
  const { gateway, fill } = await fillable(t)
  const follower = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await follower.until(1)
  await fill(0.8, 'low')

  const refused = await connectRaw(t, gateway.app.server, get('/api/events', '1.1', head(as('viewer'))))
  const lines = await fetch(`${gateway.url}/api/events`, {
    headers: { ...as('viewer'), accept: 'application/x-ndjson' },
  })
  await publishInside(gateway)
  const heard = await follower.until(2)

  t.equal(await refused.over, 'ended', 'its connection is not kept')
  t.match(refused.text(), /^HTTP\/1.1 200 OK\r\n(.+\r\n)*connection: close\r\n/i)
  t.match(refused.body(), 'event: unavailable\ndata: {"reason":"memory"}')
  t.match([lines.status, await lines.json()], [503, { code: 'stream-unavailable', detail: /memory/ }])
  t.match(heard, [{ event: 'server.state' }, { event: 'thing.made' }])

  await fill(0.2, 'ample')
  const again = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  t.match(await again.until(1), [{ event: 'server.state' }])
})

t.test(
  'while memory is low bodies are refused unread, pages are refused, and small reads and probes are answered',
  async t => {
    const { gateway, fill } = await fillable(t)
    const { url, app } = gateway
    await fill(0.8, 'low')

    // All but the head is still to come.
    const length = `POST /api/events HTTP/1.1\nHost: x\n${head(as('editor'), 'Content-Type: application/json')}`
    const announced = await connectRaw(t, app.server, `${length}Content-Length: 500000\n\n`)
    const chunked = await connectRaw(t, app.server, `${length}Transfer-Encoding: chunked\n\n`)
    const bodies = [await announced.untilBody('}'), await chunked.untilBody('}')]
    const page = await fetch(`${url}/api/events`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    const items = await fetch(`${url}/api/items`, { headers: as('viewer') })
    const health = await fetch(`${url}/health`)
    let ready = await fetch(`${url}/ready`)
    await until('the database has answered in time', async () => {
      ready = await fetch(`${url}/ready`)
      return ready.status === 200
    })
    const kept = await fetch(`${url}/api/stream-tickets`, {
      method: 'POST',
      headers: json,
      body: '{"path":"/api/events"}',
    })

    for (const body of bodies) t.match(JSON.parse(body), { status: 503, code: 'memory-low', retry_after: 5 })
    t.match(announced.text(), /^retry-after: 5\r$/im)
    t.match([page.status, await page.json()], [503, { code: 'memory-low' }])
    t.strictSame([items.status, health.status, kept.status], [200, 200, 201])
    t.match(
      [ready.status, await ready.json()],
      [200, { status: 'ready', memory: { state: 'low', percent: 80 } }],
    )

    await fill(0.2, 'ample')
    t.equal((await publish(gateway, { type: 'thing.made', data: {} })).length, 1)
  },
)

t.test('a body is charged as it arrives, until it is answered or its client disconnects', async t => {
  const gateway = await startGateway(t)
  const { transfers, server } = gateway.app
  const beginning = `POST /api/events HTTP/1.1\nHost: x\n${head(as('editor'), 'Content-Type: application/json')}`

  const announces = await connectRaw(
    t,
    server,
    `${beginning}Expect: 100-continue\nContent-Length: 1000000\n\n`,
  )
  await until('the announcement is read', () => announces.text().includes(' 100 Continue'))
  const leaves = await connectRaw(t, server, `${beginning}Content-Length: 1000\n\n{`)
  const stays = await connectRaw(t, server, `${beginning}Content-Length: 30\n\n{"type":"a.b",`)
  const chunked = await connectRaw(t, server, `${beginning}Transfer-Encoding: chunked\n\n5\n{"a":\n`)
  await until('what has arrived of all three', () => transfers.held === 1 + 14 + 5)
  leaves.socket.destroy()
  chunked.socket.destroy()
  await until('one', () => transfers.held === 14)
  stays.socket.write('"data":{}}      ')

  await stays.untilBody('"events"')
  await until('none', () => transfers.held === 0)
  t.match(stays.text(), /^HTTP\/1.1 201 /)
})

// Attack: strangers and one tenant announce as many bodies as fit, and send none of them, or all but the last byte.
t.test('bodies that have not arrived leave room for another workspace', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const env = { NODE_OPTIONS: '--max-old-space-size=256' }
  const gateway = await startProcess(t, { databaseUrl, env })
  const announce = async (target: string, lines: string, sent: string) => {
    const expected = 'Content-Type: application/json\nContent-Length: 1000000\nExpect: 100-continue\n\n'
    const start = `POST ${target} HTTP/1.1\nHost: x\n${lines}${expected}${sent}`
    return await Promise.all(Array.from({ length: 16 }, () => connectRaw(t, gateway.port, start)))
  }

  for (const sent of ['', 'x'.repeat(999_999)]) {
    const strangers = await announce('/nope', '', sent)
    const tenant = await announce('/api/events', head(as('editor', 'globex')), sent)
    for (const stranger of strangers) await stranger.untilBody('"not-found"')
    const isThere = ({ socket, text }: RawClient) => socket.writableLength === 0 && text().includes(' 100 ')
    await until('the bodies are there', () => tenant.every(isThere))

    t.equal((await publish(gateway, { type: 'thing.made', data: {} })).length, 1)
    t.notOk(tenant.some(({ text }) => text().includes('memory-low')))
    for (const { socket } of [...strangers, ...tenant]) socket.destroy()
  }
})

// Attack: a caller with read access requests the largest pages again and again, and never reads the answers.
t.test('a large answer that is not read is dropped, and counts until then', async t => {
  const gateway = await startGateway(t, { httpLimits: { answerTimeout: 300 } })
  const { transfers, server } = gateway.app
  const data = { text: 'x'.repeat(250_000) }
  await publish(gateway, Array(4).fill({ type: 'thing.made', data }))
  for (let more = 0; more < 4; more += 1) await publish(gateway, Array(4).fill({ type: 'thing.made', data }))
  const request = get('/api/events?limit=1000', '1.1', head(as('viewer'), 'Accept: application/json'))

  const stalled = await connectRaw(t, server, '')
  stalled.socket.pause()
  // Twice: the kernel may take one answer whole.
  stalled.socket.write(request.replaceAll('\n', '\r\n').repeat(2))
  await until('the answer', () => transfers.held > 4_000_000)

  await until('nothing', () => transfers.held === 0)
  const headers = { ...as('viewer'), accept: 'application/json' }
  const take = async () => (await fetch(`${gateway.url}/api/events?limit=1000`, { headers })).text()
  // On a machine that stands still for as long, a client that reads is dropped too.
  await until('a client that reads has all', async () => (await take().catch(() => '')).length > 4_000_000)
})

// Attack: the same, with requests that follow each other at once; the first answer is read, and its end must not free the others.
t.test('an answer that is not read is dropped also after another one on its connection was read', async t => {
  const gateway = await startGateway(t, { httpLimits: { answerTimeout: 300 } })
  const { transfers, server } = gateway.app
  const data = { text: 'x'.repeat(250_000) }
  for (let n = 0; n < 5; n += 1) await publish(gateway, Array(4).fill({ type: 'thing.made', data }))
  const request = get('/api/events?limit=1000', '1.1', head(as('viewer'), 'Accept: application/json'))

  const readsOne = async () => {
    const { socket } = await connectRaw(t, server, '')
    let read = 0
    socket.on('data', chunk => {
      read += chunk.length
      // Somewhere in the second answer.
      if (read > 6_000_000) socket.pause()
    })
    socket.write(request.replaceAll('\n', '\r\n').repeat(4))
    // On a machine that stands still for as long, it is dropped before.
    await until('the first answer', () => read > 6_000_000 || socket.closed)
    return read > 6_000_000
  }
  await until('one answer was read', readsOne)

  await until('nothing', () => transfers.held === 0)
})

// Attack: an editor sends bodies that take twenty times their bytes when they are parsed, all at once. Each is allowed.
t.test('a gateway with a small heap survives more bodies than fit into it', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const env = { NODE_OPTIONS: '--max-old-space-size=96' }
  const gateway = await startProcess(t, { databaseUrl, env })
  const follower = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await follower.until(1)
  const data = `{"a":[${'{},'.repeat(80_000)}{}]}`
  const body = `[${Array(4).fill(`{"type":"thing.made","data":${data}}`).join(',')}]`
  const request = `POST /api/events HTTP/1.1\nHost: x\nContent-Length: ${body.length}\n${head(as('editor'), 'Content-Type: application/json')}\n`

  const callers = await Promise.all(Array.from({ length: 60 }, () => connectRaw(t, gateway.port, request)))
  for (const { socket } of callers) socket.write(body.slice(0, -1))
  const answered = () => callers.filter(({ text }) => text() !== '')
  await until('the refused callers have their answers', () => answered().length >= 40)
  for (const { socket } of callers) socket.write(body.slice(-1))
  await until('all answers', () => answered().length === callers.length)

  const statuses = callers.map(({ text }) => text().slice(9, 12))
  const stored = statuses.filter(status => status === '201').length
  // 408: on a busy machine a body may arrive too late.
  t.strictSame([...new Set(statuses)].filter(status => status !== '408').sort(), ['201', '503'])
  t.equal((await fetch(`${gateway.url}/health`)).status, 200)
  t.equal((await follower.until(4 * stored, 'thing.made')).length, 4 * stored)

  for (const { socket } of callers) socket.destroy()
  await until('room again', async () => {
    const response = await fetch(`${gateway.url}/api/events`, { method: 'POST', headers: json, body })
    return response.status === 201
  })
  t.equal(await gateway.stop(), 0)
  t.notMatch(gateway.output(), 'heap out of memory')
})

/** As an application on the same database would: nothing of HTTP refuses it. */
async function publishInside({ app }: Gateway): Promise<void> {
  await app.publisher.publish({
    workspace: 'acme',
    stream: 'feed',
    actor: 'ada',
    events: [{ type: 'thing.made', data: {} }],
  })
}
