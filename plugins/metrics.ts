/**
 * The metrics of this gateway. The rooms count for themselves; this plugin shows what they have counted under the names of
 * src/metrics/instruments.ts, whenever somebody asks.
 */
import { performance } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '../src/database/pool.js'
import { countByForm } from '../src/hub/client-counts.js'
import type { Hub } from '../src/hub/hub.js'
import type { Tailer } from '../src/hub/tailer.js'
import type { StreamId } from '../src/log/event.js'
import { countBeyond } from '../src/log/tails.js'
import { ANSWER_MS, Metrics } from '../src/metrics/metrics.js'
import type { Sample } from '../src/metrics/sampled-metric.js'
import { withinDeadline } from '../src/process/deadline.js'
import { packageVersion } from '../src/process/package-version.js'

/** The events of so many waiting streams are counted. */
const MAX_COUNTED = 1_000

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
  }
}

export interface MetricsOptions {
  /** The counts of the event loop's watchdog; undefined without one. */
  readonly watchdog?: { readonly blocks: number; readonly blockedMs: number } | undefined
}

export default fp<MetricsOptions>(
  async (app, { watchdog }) => {
    const metrics = new Metrics()
    app.decorate('metrics', metrics)
    showProcess(app, metrics)
    metrics.show('blocks', () => maybe(watchdog?.blocks))
    metrics.show('blocked', () => maybe(watchdog?.blockedMs, ms => ms / 1_000))
    showClients(app, metrics)
    showEvents(app, metrics)
    showLog(app, metrics)
  },
  {
    name: 'metrics',
    dependencies: [
      'database',
      'rate-limit',
      'bus',
      'tailer',
      'hub',
      'publisher',
      'server-state',
      'memory',
      'retention',
      'usage',
    ],
  },
)

function showProcess(app: FastifyInstance, metrics: Metrics): void {
  let before = performance.eventLoopUtilization()
  const { version: node } = process
  metrics.show('build', () => [{ labels: { version: packageVersion(), node }, value: 1 }])
  metrics.show('mode', () => [{ labels: { mode: app.serverState.mode }, value: 1 }])
  metrics.show('memory', () => [{ value: app.memory.fullness }])
  metrics.show('memoryState', () => [{ labels: { state: app.memory.state }, value: 1 }])
  metrics.show('rateLimited', () => by('of', app.rateLimitRefusals))
  metrics.show('quotaRefusals', () => by('limit', app.quota.refused))
  metrics.show('utilization', () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return [{ value: utilization }]
  })
  metrics.show('connections', () =>
    eachPool(app, (pool, { totalCount, idleCount }) => [
      { labels: { pool, state: 'idle' }, value: idleCount },
      { labels: { pool, state: 'busy' }, value: totalCount - idleCount },
    ]),
  )
  metrics.show('waiting', () =>
    eachPool(app, (pool, { waitingCount }) => [{ labels: { pool }, value: waitingCount }]),
  )
  metrics.show('removed', () => by('rows', Object.fromEntries(app.retention.removed)))
  metrics.show('swept', () => maybe(app.retention.succeededAt, ms => ms / 1_000))
}

function showClients(app: FastifyInstance, metrics: Metrics): void {
  const { hub, tailer } = app
  const { tally } = hub
  metrics.show('clients', () =>
    countByForm(hub.subscriptions).map(({ kind, form, clients }) => ({
      labels: { kind, form },
      value: clients,
    })),
  )
  metrics.show('clientBytes', () => [{ value: waitingBytes(hub.subscriptions) }])
  metrics.show('streams', () => [{ value: tailer.streams.length }])
  metrics.show('opened', () => [{ value: tally.opened }])
  metrics.show('closed', () => by('reason', tally.closed))
  metrics.show('refused', () => by('reason', tally.refused))
  metrics.show('resets', () => by('reason', tally.resets))
}

function showEvents(app: FastifyInstance, metrics: Metrics): void {
  const { publisher, tailer } = app
  const { tally } = app.hub
  metrics.show('published', () => by('way', tailer.tally.published.counts))
  metrics.show('read', () => by('way', tailer.tally.read.counts))
  metrics.show('carried', () => by('use', tailer.tally.carried))
  metrics.show('delivered', () => [{ value: tally.events }])
  metrics.show('replayed', () => by('source', tally.replayed))
  metrics.show('bytes', () => [{ value: tally.bytes }])
  metrics.show('publish', () => [{ value: publisher.tally.publish }])
  metrics.show('commit', () => [{ value: publisher.tally.commit }])
  metrics.show('wakeToRead', () => [{ value: tailer.tally.wakeToRead }])
  metrics.show('readToWrite', () => [{ value: tally.readToWrite }])
  metrics.show('commitToDelivery', () => [{ value: tally.commitToDelivery }])
}

function showLog(app: FastifyInstance, metrics: Metrics): void {
  const { bus, replica, tailer } = app
  metrics.show('replica', () => (replica ? [{ labels: { state: replica.state }, value: 1 }] : []))
  metrics.show('replicaPages', () => (replica ? by('outcome', replica.tally) : []))
  metrics.show('lag', () => lagOf(tailer))
  metrics.show('behind', () => eventsBehind(tailer, app.readers))
  metrics.show('tailReads', () => [{ value: tailer.tally.reads }])
  metrics.show('bus', () => [{ labels: { state: bus.status }, value: 1 }])
  metrics.show('relays', () => maybe(bus.isRelay === undefined ? undefined : Number(bus.isRelay)))
  metrics.show('wakes', () => [{ value: tailer.tally.wakes }])
  metrics.show('losses', () => maybe(bus.losses))
  metrics.show('queue', () => maybe(bus.queueUse))
  metrics.show('canary', () => maybe(bus.canaryAgeMs, ms => ms / 1_000))
  metrics.show('clock', () => [{ value: app.hub.tally.clockAheadMs / 1_000 }])
}

/** For how long reads have failed, or a woken stream has waited, by the kind of the streams that are followed. */
function lagOf({ failingSince, tally, streams }: Tailer): Sample[] {
  const failing = failingSince === undefined ? 0 : Date.now() - failingSince
  const lags = new Map([...streams].map(({ kind }) => [kind, failing]))
  for (const { stream, ms } of tally.waiting) lags.set(stream.kind, Math.max(lags.get(stream.kind) ?? 0, ms))
  return [...lags].map(([kind, ms]) => ({ labels: { kind }, value: ms / 1_000 }))
}

/** Events that streams which wait to be read have in the log. At most scrapes no stream waits, and the log is not asked. */
async function eventsBehind({ tally, streams }: Tailer, database: Database): Promise<Sample[]> {
  const waiting = tally.waiting.slice(0, MAX_COUNTED)
  const places = waiting.map(({ stream }) => ({ streamId: stream.id, after: stream.head }))
  const beyond =
    places.length === 0
      ? new Map<StreamId, number>()
      : await withinDeadline(countBeyond(database, places), ANSWER_MS)
  if (!beyond) return []
  const sums = new Map([...streams].map(({ kind }) => [kind, 0]))
  for (const { stream } of waiting) {
    sums.set(stream.kind, (sums.get(stream.kind) ?? 0) + (beyond.get(stream.id) ?? 0))
  }
  return [...sums].map(([kind, value]) => ({ labels: { kind }, value }))
}

function waitingBytes(subscriptions: Hub['subscriptions']): number {
  let bytes = 0
  for (const { output } of subscriptions) bytes += output.waitingBytes
  return bytes
}

function by(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
}

function maybe(value: number | undefined, shown: (value: number) => number = same => same): Sample[] {
  return value === undefined ? [] : [{ value: shown(value) }]
}

function eachPool(
  { database, readers }: FastifyInstance,
  samples: (name: string, pool: Database) => Sample[],
): Sample[] {
  return [...samples('requests', database), ...samples('readers', readers)]
}
