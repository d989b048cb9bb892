/** The process of the publishers: each publishes again and again, until it is asked to stop. */
import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { createPool } from '../../../src/database/pool.js'
import { Recorder } from '../../checker/recorder.js'
import { Random } from '../../end-to-end/random.js'
import { afterPatience } from '../../harness/patience.js'
import { reportEvery, takeOrders } from './child.js'
import { durablePublisher } from './durable-publisher.js'
import { cloudEventsPublisher, httpPublisher } from './http-publisher.js'
import type { PublishCounts, Publisher, PublisherOptions } from './publisher.js'
import { Interrupted, sqlPublisher, tablePublisher } from './sql-publisher.js'
import { AUDIT, FEEDS, JOURNAL, ORDERS, ROOMS, SHIPMENTS, TASKS, TELEMETRY } from './streams.js'

export interface PublishersStart {
  readonly kind: 'start'
  readonly origin: string
  readonly databaseUrl: string
  readonly path: string
  readonly seed: number
  readonly eventsPerSecond: number
}
export type PublishersOrder = PublishersStart | { readonly kind: 'stop' } | { readonly kind: 'end' }

export interface PublishersReport extends PublishCounts {
  readonly isStopped: boolean
}

const REPORT_MS = 500
/** The publishers' sessions, as an application's: a frozen client or server must not hold a transaction open for long. */
const SETTINGS = {
  idle_in_transaction_session_timeout: '5000',
  statement_timeout: '8000',
  lock_timeout: '6000',
}
const QUERY_MS = 10_000
/** When all is healed, each publish must get its answer within this time. */
const ANSWERED_MS = 60_000
/** Events of an average publish. */
const EVENTS = 2.4

const [FEED, OTHER_FEED] = FEEDS
const PUBLISHERS: readonly Publisher[] = [
  httpPublisher('http-1', ORDERS, 3),
  httpPublisher('http-2', OTHER_FEED, 5),
  httpPublisher('http-3', ORDERS, 1),
  cloudEventsPublisher('cloudevents', AUDIT, 4),
  httpPublisher('http-4', SHIPMENTS, 4),
  durablePublisher('durable', JOURNAL, 4),
  sqlPublisher('sql-1', [FEED, TELEMETRY]),
  sqlPublisher('sql-2', [TELEMETRY, FEED]),
  sqlPublisher('sql-3', ROOMS),
  sqlPublisher('sql-4', [AUDIT, ...ROOMS.toReversed()]),
  sqlPublisher('sql-5', [TASKS, SHIPMENTS]),
  sqlPublisher('sql-6', [SHIPMENTS, TASKS]),
  tablePublisher('table-1', FEED, 0),
  tablePublisher('table-2', OTHER_FEED, 1_000),
]

const counts: PublishCounts = { acknowledged: 0, failed: 0, unknown: 0 }
const stopping = new AbortController()
// Each publisher pauses until it aborts.
setMaxListeners(0, stopping.signal)
const givingUp = new AbortController()
let isStopped = false
let publishing: Promise<unknown> = Promise.resolve()
let recorder: Recorder | undefined

const stopReports = reportEvery(REPORT_MS, (): PublishersReport => ({ ...counts, isStopped }))
takeOrders<PublishersOrder>(async order => {
  if (order.kind === 'start') publishing = publishAll(order)
  else if (order.kind === 'stop') await stop()
  else {
    givingUp.abort()
    await stop()
    stopReports()
    await recorder?.close()
    process.exit()
  }
})

async function stop(): Promise<void> {
  stopping.abort()
  const callOff = afterPatience(ANSWERED_MS, () => givingUp.abort())
  await publishing
  callOff()
  isStopped = true
}

async function publishAll({ origin, databaseUrl, path, seed, eventsPerSecond }: PublishersStart) {
  const random = new Random(seed)
  recorder = new Recorder({ path })
  const pool = createPool(databaseUrl, {
    max: PUBLISHERS.length,
    name: 'load',
    settings: SETTINGS,
    queryTimeoutMs: QUERY_MS,
    onError: () => undefined,
  })
  const common = { origin, pool, recorder, counts, givingUp: givingUp.signal }
  const meanMs = (PUBLISHERS.length * EVENTS * 1_000) / eventsPerSecond
  await Promise.all(
    PUBLISHERS.map(publisher => repeat(publisher, meanMs, { ...common, random: random.fork() })),
  )
  // A connection that does not answer would keep it from ending.
  void pool.end()
}

async function repeat(publisher: Publisher, meanMs: number, options: PublisherOptions): Promise<void> {
  for (let n = 1; !stopping.signal.aborted; n += 1) {
    await publisher(n, options).catch(error => {
      if (!(error instanceof Interrupted)) throw error
    })
    const ms = options.random.between(0, Math.round(2 * meanMs))
    await pause(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
  }
}
