import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

const MEBIBYTE = 1024 * 1024
/** Far more than what the kernel keeps for a connection, and than what the gateway may keep for all. */
const PUBLISHED_BYTES = 120 * MEBIBYTE
const EVENT_BYTES = 240 * 1024
const EVENTS = PUBLISHED_BYTES / EVENT_BYTES
const BATCH = 4
const STALLED_CLIENTS = 10
/** How much the gateway may grow meanwhile, garbage included. To keep each event once would take twice as much. */
const MAX_GROWTH_BYTES = 220 * MEBIBYTE
/** A client is cut off after 30 s without progress. */
const PATIENCE_MS = 50_000

t.jobs = 2
const skip = process.platform !== 'linux' && 'the memory of another process is read from /proc'
t.test(
  'clients that stop reading cost bounded memory, delay no other client, and resume',
  { skip, buffered: true },
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl })
    const readers = await Promise.all([1, 2, 3].map(() => follow(t, gateway.url, '')))
    // Each has a filter of its own: what is put together for one of them is of no use to another.
    const stalled = await Promise.all(
      Array.from({ length: STALLED_CLIENTS }, (_, n) => follow(t, gateway.url, `&types=big.*,no-${n}`)),
    )
    for (const { response } of stalled) response.pause()
    const before = await residentBytes(gateway)
    const ids: string[] = []
    let highest = before
    while (ids.length < EVENTS) {
      ids.push(...(await publish(gateway, bigEvents())))
      highest = Math.max(highest, await residentBytes(gateway))
    }

    for (const reader of readers) await reader.until(ids.length, 'big.made')
    t.comment(`the gateway grew by ${Math.round((highest - before) / MEBIBYTE)} MiB`)
    t.ok(highest - before < MAX_GROWTH_BYTES, `grew by ${highest - before} bytes`)

    await until(
      'all who stalled are cut off',
      async () => (await clients(gateway)) === readers.length,
      PATIENCE_MS,
    )
    const had = await Promise.all(stalled.map(idsUntilEnd))
    t.ok(
      had.every(seen => seen.length < ids.length),
      'what they had not read was not sent',
    )
    const [cut = []] = had
    t.same(cut, ids.slice(0, cut.length), 'they got a prefix of the events without a gap')
    const resumed = await follow(t, gateway.url, '&types=big.*', { 'last-event-id': cut.at(-1) ?? '0' })
    await resumed.until(ids.length - cut.length, 'big.made')
    t.same([...cut, ...idsOf(resumed)], ids, 'they got the missed events after they reconnected')
    t.same(idsOf(readers[0]), ids)
    t.equal(await gateway.stop(), 0)
  },
)

t.test('connections of clients that went silent are closed', { buffered: true }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const [busy, idle] = await Promise.all([
    startProcess(t, { databaseUrl }),
    startProcess(t, { databaseUrl, env: { MAX_STREAM_AGE: '3', HEARTBEAT_MS: '1000' } }),
  ])
  const relays = [await startRelay(t, busy.port), await startRelay(t, idle.port)] as const
  for (const { url } of relays) await follow(t, url, '&types=big.*')
  await follow(t, relays[1].url, '&types=none')
  for (const relay of relays) relay.swallow()
  t.equal(await clients(busy), 1)

  await t.test('with events to send, because writes make no progress', async () => {
    for (let n = 0; n < EVENTS; n += BATCH) await publish(busy, bigEvents())
    await until('its connection is closed', async () => (await clients(busy)) === 0, PATIENCE_MS)
  })

  await t.test('without events, because a stream has a maximum age', async () => {
    await until('their connections are closed', async () => (await clients(idle)) === 0)
  })

  for (const gateway of [busy, idle]) t.equal(await gateway.stop(), 0)
})

async function follow(t: Test, origin: string, query: string, headers = {}): Promise<EventStream> {
  const stream = await openStream(t, `${origin}/api/events?stream=feed${query}`, {
    headers: { ...as('viewer'), ...headers },
    patienceMs: PATIENCE_MS,
  })
  await stream.until(1)
  return stream
}

function bigEvents() {
  return Array.from({ length: BATCH }, () => ({ type: 'big.made', data: { text: 'x'.repeat(EVENT_BYTES) } }))
}

function idsOf(stream: EventStream | undefined): (string | undefined)[] {
  return stream?.messages.filter(({ event }) => event === 'big.made').map(({ id }) => id) ?? []
}

/** Reads what is still on its way to a client that had stopped. */
async function idsUntilEnd(stream: EventStream): Promise<(string | undefined)[]> {
  stream.response.resume()
  await stream.ended()
  return idsOf(stream)
}

async function clients(gateway: GatewayProcess): Promise<number> {
  return Object(await (await fetch(`${gateway.url}/ready`)).json()).sse.clients
}

async function residentBytes({ pid }: GatewayProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

interface Relay {
  readonly url: string
  /** From now on nothing passes and nothing is closed, as when a laptop is shut. */
  swallow(): void
}

async function startRelay(t: Test, port: number): Promise<Relay> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, inward => {
    const outward = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    for (const [from, to] of [
      [inward, outward],
      [outward, inward],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.pipe(to)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${Object(server.address()).port}`,
    swallow() {
      for (const socket of sockets) socket.unpipe().pause()
    },
  }
}
