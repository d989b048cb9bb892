/** The processes of the cluster, for operators. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

interface Answer {
  readonly nodes: readonly Readonly<Record<string, unknown>>[]
  readonly clients: number
  readonly by_kind: Readonly<Record<string, number>>
}

t.test('an operator sees every process with its figures, on any of them', async t => {
  const env = { OPERATOR_WORKSPACE: 'ops' }
  const one = await startGateway(t, { env })
  const two = await startGateway(t, { env, databaseUrl: one.databaseUrl })
  for (const { url } of [one, one, two])
    await (await openStream(t, `${url}/api/events`, { headers: as('viewer') })).until(1)
  const ask = (headers: Record<string, string>) => fetch(`${one.url}/api/cluster`, { headers })
  let found: Answer = { nodes: [], clients: 0, by_kind: {} }
  await until('all clients', async () => {
    found = (await (await ask(as('admin', 'ops'))).json()) as Answer
    return found.clients === 3
  })

  t.match(found, { by_kind: { feed: 3 } })
  t.equal(found.nodes.length, 2)
  const own = found.nodes.find(({ asked }) => asked)
  t.match(own, {
    node: one.app.hub.connections.node,
    name: new RegExp(`/${process.pid}$`),
    version: /^\d/,
    mode: 'normal',
    started_at: /^20\d\d-.*Z$/,
    lag_ms: Number,
    heartbeat_age_ms: Number,
    clients: 2,
    by_kind: { feed: 2 },
    streams: 1,
    bus: one.app.bus.status,
    bus_kind: one.app.bus.kind,
    memory_state: 'ample',
    memory_percent: Number,
    event_loop_delay_ms: Number,
  })
  const refused = await Promise.all([ask(as('admin')), ask(as('editor', 'ops'))])
  t.strictSame(
    refused.map(({ status }) => status),
    [403, 403],
  )
})
