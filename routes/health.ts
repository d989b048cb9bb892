/** GET /health: the process is alive. GET /ready: it can serve requests, with figures for operators. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Database } from '../src/database/pool.js'
import { MODES } from '../src/hub/mode.js'
import { REPLICA_STATES } from '../src/hub/replica.js'
import { MEMORY_STATES } from '../src/limits/memory-monitor.js'
import { withinDeadline } from '../src/process/deadline.js'
import type { ClientCounts } from '../src/process/worker-message.js'

/** A probe must be answered before the prober gives up. */
const PROBE_DEADLINE_MS = 1_000

const Health = Type.Object({ status: Type.Literal('ok') })

const ByKind = Type.Record(Type.String(), Type.Integer(), { description: 'Open streams per kind of stream.' })

const Readiness = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('unready')]),
  mode: Type.Enum([...MODES]),
  sse: Type.Object({
    clients: Type.Integer({ description: 'Open streams of this process; with `WORKERS`, of all workers.' }),
    by_kind: ByKind,
    // Until 1.0, for probes that read it.
    byKind: Type.Unsafe<Static<typeof ByKind>>({
      ...ByKind,
      deprecated: true,
      description: 'The former name of `by_kind`, kept until 1.0.',
    }),
  }),
  cluster: Type.Union(
    [
      Type.Object({
        nodes: Type.Integer({ description: 'The processes of the cluster, this one included.' }),
        clients: Type.Integer({ description: 'Open streams of all of them.' }),
        by_kind: ByKind,
        age_ms: Type.Integer({
          description:
            'Milliseconds since the figures of the others were read, normally 2,000 at most. It grows while the database is away.',
        }),
      }),
      Type.Null(),
    ],
    {
      description:
        'The whole cluster: this process now, and the others at their last heartbeats. Null until the database has answered the first heartbeat, and in a process that is no node.',
    },
  ),
  stops_in_ms: Type.Optional(
    Type.Integer({
      description:
        'Only in a process that is going to stop, and serves until then: milliseconds until it begins to drain. The status is `unready`, so that balancers choose another process.',
    }),
  ),
  workers: Type.Optional(
    Type.Integer({
      description: 'With `WORKERS`: the number of workers that serve and have reported their figures.',
    }),
  ),
  memory: Type.Object({
    state: Type.Enum([...MEMORY_STATES], {
      description:
        'The memory of this process. `tight`: caches are emptied. `low`: new streams and bodies are refused.',
    }),
    percent: Type.Integer({ description: 'Percent in use of the nearer limit: the heap or the container.' }),
  }),
  database: Type.Enum(['up', 'read-only', 'not-set-up', 'down'], {
    description:
      '`read-only`: changes are refused. `not-set-up`: a role or privilege that requests need is missing; the log names it.',
  }),
  replica: Type.Optional(
    Type.Enum([...REPLICA_STATES], {
      description:
        'The database of `READ_DATABASE_URL`, as the last read has found it. `away`: it fails or is slow. `behind`: it lacks the last redaction. `promoted`: it is no standby. `diverged`: it has other events than the primary. In these states pages are read from the primary.',
    }),
  ),
  bus: Type.Union([Type.Literal('listening'), Type.Literal('down'), Type.Literal('off')], {
    description: '`down`: events arrive by polling until it is back. `off`: switched off by configuration.',
  }),
  notify_queue_percent: Type.Optional(
    Type.Integer({
      description:
        "How full Postgres' notification queue was a few seconds ago. Above 50 the gateway sends no wakes, and `bus` is `down`.",
    }),
  ),
})

const Unready = Type.Object(Readiness.properties, { description: 'The process cannot serve requests now.' })

export interface HealthOptions {
  /** Counts the open streams of all processes behind the same port, where there are several. */
  readonly countClients?:
    | (() => Promise<{ readonly workers: number; readonly clients: ClientCounts }>)
    | undefined
}

const health: FastifyPluginAsyncTypebox<HealthOptions> = async (app, { countClients }) => {
  app.get(
    '/health',
    {
      config: { access: 'public', grants: 'none', unmetered: true },
      logLevel: 'warn',
      schema: {
        tags: ['server'],
        operationId: 'getHealth',
        summary: 'Check whether the process is alive',
        description: 'Returns 200 while the process runs, whatever the state of its database.',
        response: { 200: Health },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return { status: 'ok' as const }
    },
  )

  app.get(
    '/ready',
    {
      config: { access: 'public', grants: 'none', unmetered: true },
      logLevel: 'warn',
      schema: {
        tags: ['server'],
        operationId: 'getReadiness',
        summary: 'Check whether this process can serve requests',
        description:
          'Returns 503 while the process drains, for `DRAIN_DELAY_MS` before it drains, and while its database does not answer.',
        response: { 200: Readiness, 503: Unready },
      },
    },
    async (_request, reply) => {
      const [up, counts] = await Promise.all([answers(app.probe), countClients?.()])
      const database = up ? (app.databaseWatch.impairment ?? 'up') : 'down'
      const { mode, stopsInMs } = app.serverState
      const { status: bus, queueUse } = app.bus
      // An impaired node still serves what it can. If balancers removed it, all nodes would be removed and nobody served.
      const ready = up && mode !== 'draining' && stopsInMs === undefined
      const { total, byKind } = counts?.clients ?? app.hub.clients()
      return reply
        .code(ready ? 200 : 503)
        .header('cache-control', 'no-store')
        .send({
          status: ready ? 'ready' : 'unready',
          mode,
          sse: { clients: total, by_kind: byKind, byKind },
          cluster: clusterOf(app),
          ...(stopsInMs !== undefined && { stops_in_ms: Math.round(stopsInMs) }),
          ...(counts && { workers: counts.workers }),
          memory: { state: app.memory.state, percent: Math.round(app.memory.fullness * 100) },
          database,
          ...(app.replica && { replica: app.replica.state }),
          bus,
          ...(queueUse !== undefined && { notify_queue_percent: Math.round(queueUse * 100) }),
        })
    },
  )
}

export default health

/** From memory: the heartbeat reads the figures, so a probe never waits for them. */
function clusterOf({ cluster }: FastifyInstance): Static<typeof Readiness>['cluster'] {
  const figures = cluster.figures()
  if (!figures) return null
  const { nodes, clients, ageMs } = figures
  return { nodes, clients: clients.total, by_kind: { ...clients.byKind }, age_ms: Math.round(ageMs) }
}

/** Whether the database answers in time. Probes have a connection of their own, so a busy pool does not count. */
async function answers(database: Database): Promise<boolean> {
  // pg gives up the connection after this time, so the next probe asks a frozen database on a new one.
  const query = { text: 'select 1', query_timeout: PROBE_DEADLINE_MS }
  const answer = database.query(query).then(
    () => true,
    () => false,
  )
  return (await withinDeadline(answer, PROBE_DEADLINE_MS)) ?? false
}
