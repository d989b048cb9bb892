import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { within } from '../../harness/patience.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

const OPERATOR = { workspace: 'acme', principal: 'ada', address: null, requestId: null }

/** Far more than the second after which a probe is answered, far less than any other deadline. */
const SOON_MS = 4_000
/** Longer than the figures of the cluster stay without another heartbeat. */
const HEARTBEAT_MS = 2_500

t.test('a live process reports it to any caller', async t => {
  const gateway = await startGateway(t)

  const response = await fetch(`${gateway.url}/health`)

  t.equal(response.status, 200)
  t.strictSame(await response.json(), { status: 'ok' })
})

t.test('readiness has the figures of this process', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  await publish(one, { type: 'thing.made', data: {} }, { stream: 'other' })
  const clients = await Promise.all(
    ['', '', '?stream=other'].map(query =>
      openStream(t, `${one.url}/api/events${query}`, { headers: as('viewer') }),
    ),
  )
  for (const client of clients) await client.until(1)
  await until('the listeners', () => [one, two].every(({ app }) => app.bus.status !== 'down'))

  const bus = process.env.BUS_NOTIFY === 'off' ? 'off' : 'listening'
  const usual = { status: 'ready', mode: 'normal', database: 'up', bus }
  const [first, second] = [await ready(one), await ready(two)]
  const { memory, notify_queue_percent = 0, cluster: _, ...figures } = first.body
  t.strictSame(figures, { ...usual, sse: { clients: 3, by_kind: { feed: 3 }, byKind: { feed: 3 } } })
  t.equal(notify_queue_percent, 0)
  await until('both nodes have heard of each other', async () => {
    const both = [(await ready(one)).body.cluster, (await ready(two)).body.cluster]
    return both.every(seen => seen?.nodes === 2 && seen.clients === 3 && seen.by_kind.feed === 3)
  })
  t.match(second, { code: 200, body: { ...usual, sse: { clients: 0, by_kind: {}, byKind: {} } } })
  t.equal(memory.state, 'ample')
  t.ok(memory.percent >= 0 && memory.percent < 65, `${memory.percent} %`)
  clients[0]?.close()
  await until('one less', async () => (await ready(one)).body.sse.clients === 2)
})

t.test('no cache keeps it', async t => {
  const gateway = await startGateway(t)

  const response = await fetch(`${gateway.url}/ready`)

  t.equal(response.headers.get('cache-control'), 'no-store')
})

t.test('in maintenance a process is ready, because it serves reads', async t => {
  const gateway = await startGateway(t)
  await gateway.app.serverState.switchTo('maintenance', OPERATOR)

  t.match(await ready(gateway), { code: 200, body: { status: 'ready', mode: 'maintenance' } })
})

t.test('without a database a process reports soon that it is not ready', async t => {
  const { gateway, proxy } = await behindProxy(t)

  await until('its first heartbeat', async () => (await ready(gateway)).body.cluster !== null)
  await proxy.unplug()
  const { cluster: before } = (await ready(gateway)).body
  await until('its figures of the cluster age', async () => {
    const { cluster } = (await ready(gateway)).body
    return cluster !== null && cluster.nodes === 1 && cluster.age_ms > (before?.age_ms ?? 0) + HEARTBEAT_MS
  })
  const down = await soon(() => ready(gateway))
  t.match(down, { code: 503, body: { status: 'unready', database: 'down' } })
  t.equal((await fetch(`${gateway.url}/health`)).status, 200, 'it lives')
  await proxy.plugIn()

  await until('it is ready again', async () => (await ready(gateway)).code === 200)
})

t.test('a database that has fallen silent does not hold up the probes', async t => {
  const { gateway, proxy } = await behindProxy(t)
  await ready(gateway)

  proxy.freeze()
  proxy.mode = 'silent'
  const probes = await soon(() => Promise.all(Array.from({ length: 30 }, () => ready(gateway))))

  for (const probe of probes) t.match(probe, { code: 503, body: { status: 'unready', database: 'down' } })
  await proxy.unplug()
})

t.test('while draining it is not ready', async t => {
  const gateway = await startGateway(t)
  // The listening socket is closed when draining is over: what happens meanwhile is seen on connections that are there.
  gateway.app.serverState.drain()

  t.match(await ready(gateway), { code: 503, body: { status: 'unready', mode: 'draining', database: 'up' } })
  t.equal((await fetch(`${gateway.url}/health`)).status, 200)
})

t.test('HEAD is answered like GET', async t => {
  const gateway = await startGateway(t)

  for (const path of ['/health', '/ready']) {
    const response = await soon(() => fetch(`${gateway.url}${path}`, { method: 'HEAD' }))
    t.equal(response.status, 200)
  }
})

async function behindProxy(t: Test) {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  return { proxy, gateway: await startGateway(t, { databaseUrl: proxy.url }) }
}

async function ready({ url }: Gateway) {
  const response = await fetch(`${url}/ready`)
  const body = (await response.json()) as {
    sse: { clients: number }
    cluster: { nodes: number; clients: number; by_kind: Record<string, number>; age_ms: number } | null
    notify_queue_percent?: number
    memory: { state: string; percent: number }
  }
  return { code: response.status, body }
}

async function soon<T>(act: () => Promise<T>): Promise<T> {
  return await within(SOON_MS, act(), () => `No answer within ${SOON_MS} ms`)
}
