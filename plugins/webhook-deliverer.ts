/**
 * The deliverer of this process, from the app's start to its close, and the metrics of webhooks. It begins nothing while the process is
 * in maintenance, drains or is short of memory. A closing app waits for the requests that are under way.
 */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ANSWER_MS } from '../src/metrics/metrics.js'
import type { Breakers } from '../src/network/circuit-breaker.js'
import { withinDeadline } from '../src/process/deadline.js'
import { Deliverer } from '../src/webhooks/delivery/deliverer.js'
import { signingSender } from '../src/webhooks/delivery/sender.js'
import { countByState, type StateCounts } from '../src/webhooks/delivery/state-counts.js'
import { storedDeliveries } from '../src/webhooks/delivery/stored-deliveries.js'
import type { Sealer } from '../src/webhooks/sealer.js'
import type { Sender } from '../src/webhooks/sending/sender.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined if this process does not deliver. */
    deliverer: Deliverer | undefined
  }
}

export interface WebhookDelivererOptions {
  /** Opens the secrets of endpoints. Undefined: this process does not deliver. */
  readonly sealer: Sealer | undefined
  readonly sender: Sender
  readonly breakers: Pick<Breakers, 'open'>
  /** Requests under way at once in this process. */
  readonly concurrency: number
  /** The longest time that a closing app waits for requests under way, in milliseconds. */
  readonly drainMs: number
  /** The pauses of the retry schedule, in milliseconds; for tests. */
  readonly pausesMs?: readonly number[] | undefined
  /** The duration of a lease, in milliseconds; for tests. */
  readonly leaseMs?: number | undefined
}

/** How long the counts of webhooks are used, in ms, however often somebody asks. */
const COUNTS_MS = 5_000

export default fp<WebhookDelivererOptions>(
  async (app, { sealer, sender, breakers, concurrency, drainMs, pausesMs, leaseMs }) => {
    const { database, hub, readers, serverState, memory, log: logger } = app
    const deliverer =
      sealer &&
      new Deliverer({
        node: hub.id,
        rows: storedDeliveries(database, sealer),
        hub,
        readers,
        sender: signingSender(sender, app.cloudEventSource),
        logger,
        concurrency,
        pausesMs,
        leaseMs,
        paused: () =>
          serverState.mode === 'maintenance' || serverState.mode === 'draining' || memory.state === 'low',
      })
    app.decorate('deliverer', deliverer)
    showMetrics(app, deliverer)
    app.metrics.show('webhookBreakers', () => [{ value: breakers.open }])
    if (!deliverer) return
    deliverer.tally.tracing = app.tracing
    deliverer.tally.clockAheadMs = () => hub.tally.clockAheadMs
    app.addHook('onReady', async () => deliverer.start())
    app.addHook('onClose', () => deliverer.close(drainMs))
  },
  {
    name: 'webhook-deliverer',
    dependencies: ['database', 'hub', 'server-state', 'memory', 'metrics', 'cloudevents', 'tracing'],
  },
)

function showMetrics({ database, metrics, hub }: FastifyInstance, deliverer: Deliverer | undefined): void {
  let counts: Promise<StateCounts> | undefined
  let readAt = 0
  metrics.show('webhooks', async () => {
    const now = performance.now()
    if (!counts || now - readAt > COUNTS_MS) {
      readAt = now
      counts = countByState(database)
    }
    const known = await withinDeadline(counts, ANSWER_MS)
    return Object.entries(known ?? {}).map(([state, value]) => ({ labels: { state }, value }))
  })
  if (!deliverer) return
  const { tally, turns } = deliverer
  metrics.show('webhooksHeld', () => [{ value: deliverer.endpoints }])
  metrics.show('webhookAttempts', () =>
    Object.entries(tally.outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
  )
  metrics.show('webhookDuration', () => [{ value: tally.duration }])
  metrics.show('webhookDelay', () => [{ value: tally.delay }])
  metrics.show('webhookRequests', () => [
    { labels: { state: 'under-way' }, value: turns.underWay },
    { labels: { state: 'waiting' }, value: turns.waiting },
  ])
  metrics.show('webhookRetries', () => [{ value: deliverer.waiting }])
  metrics.show('webhookLag', () => [{ value: deliverer.lagMs(Date.now() + hub.tally.clockAheadMs) / 1_000 }])
  metrics.show('webhookLeasesLost', () => [{ value: tally.lost }])
}
