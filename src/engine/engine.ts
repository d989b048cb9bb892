/**
 * The engine without HTTP and without authentication: the log, the bus and the hub, for programs that publish and follow events
 * in their own code. Gateways and engines on the same database are processes of one log.
 */
import type pg from 'pg'
import type { Bus } from '../bus/bus.js'
import { Cluster } from '../cluster/cluster.js'
import { migrate } from '../database/migrate.js'
import { openPool, type PoolSource } from '../database/pool-source.js'
import { ChangedEvents } from '../hub/changed-events.js'
import { countByStream } from '../hub/client-counts.js'
import { EventExchange } from '../hub/event-exchange.js'
import { type FollowOptions, followEvents, type LogEvent, type LogReset } from '../hub/follow-events.js'
import { Hub } from '../hub/hub.js'
import { logLagMs } from '../hub/log-lag.js'
import { openReaders, openTail } from '../hub/log-readers.js'
import { Tailer } from '../hub/tailer.js'
import { FEED } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'
import { publishIn, type TransactionalEvent, type TransactionClient } from '../log/publish-in-transaction.js'
import { Publisher } from '../log/publisher.js'
import { registeredTracing } from '../tracing/open-telemetry.js'
import { traceparentIn } from '../tracing/traceparent.js'
import { busOf, type EngineBroker } from './engine-bus.js'

export type { EngineBroker } from './engine-bus.js'

export interface EngineOptions {
  /** `postgres://…`, or your own pool, which is never ended. */
  readonly database: string | pg.Pool
  /**
   * How processes wake each other: your own bus, `postgres` (LISTEN/NOTIFY on a connection of its own), or `memory` (this
   * process only; events of others arrive by polling, every 500 ms), or NATS or Redis, as the gateways of the same database do.
   * Default `postgres` for a URL, `memory` for a pool.
   */
  readonly bus?: Bus | EngineBroker | 'postgres' | 'memory'
  /** Direct connection for LISTEN/NOTIFY. Required if `database` goes through a pooler. */
  readonly listenDatabaseUrl?: string
  /** Whether the database is migrated first. Default true. */
  readonly migrate?: boolean
  /** Maximum number of connections for publishing. The log and the bus use up to 7 more. Default 10. */
  readonly databasePool?: number
  /**
   * Whether the engine is a node of the cluster, with a row and a heartbeat in `sluice.nodes`. Default true. With false it polls
   * for events of other processes every 500 ms, because they may send it no NOTIFY.
   */
  readonly clusterMember?: boolean
  /** Default: nothing is logged. */
  readonly logger?: EngineLogger
}

export interface EngineLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface PublishOptions {
  readonly workspace: string
  /** Default: the feed of the workspace. */
  readonly stream?: string
  /** The author of the events, for the record; idempotency keys belong to it. Default `engine`. */
  readonly actor?: string
  /** Makes a repeated call store its events once, for 24 hours. */
  readonly idempotencyKey?: string
  /** Stores the events only if this is the id of the newest event; `0`: if the stream has never had one. Else a Problem `head-differs`. */
  readonly expectedHead?: string
  /** Withdraws the call while it waits; once it is being stored it is too late. */
  readonly signal?: AbortSignal
}

export interface EngineEvent {
  readonly type: string
  /** A JSON object of at most 256 KiB. */
  readonly data: Record<string, unknown>
  /** Its trace (W3C Trace Context). Default: that of the active span; an invalid one is ignored. */
  readonly traceparent?: string
}

export interface Engine {
  /**
   * Stores events at consecutive positions, all of them or none. Resolves after COMMIT.
   * @returns their ids, in their order.
   * @throws a Problem: its `code` is stable, such as `reserved-type`, `event-too-large` or `database-unavailable`.
   */
  publish(events: readonly EngineEvent[], options: PublishOptions): Promise<string[]>
  /** Publishes inside your own transaction: the event commits with your changes, or not at all. */
  publishIn(tx: TransactionClient, event: TransactionalEvent): Promise<void>
  /**
   * The events of a stream in order, each once, as an async iterable: `for await (const event of engine.follow({ workspace }))`.
   * It ends when `signal` aborts and when the engine closes. A `reset` means that events are no longer stored.
   */
  follow(options: FollowOptions): AsyncGenerator<LogEvent | LogReset, void>
  /** Ends everything that `follow` returned, then the connections. Closing twice is fine. */
  close(): Promise<void>
}

const DEFAULT_CONNECTIONS = 10
const SILENT: EngineLogger = { debug() {}, info() {}, warn() {}, error() {} }

/** @throws if the database cannot be reached or migrated. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { database, listenDatabaseUrl, databasePool: max = DEFAULT_CONNECTIONS, logger = SILENT } = options
  if (options.migrate ?? true) await migrate(database)
  const source: PoolSource =
    typeof database === 'string'
      ? { url: database, pooled: listenDatabaseUrl !== undefined }
      : { pool: database }
  const pool = openPool(source, { name: 'sluice engine', max, onError: lost })
  const bus = busOf({ ...options, logger }, pool)
  const readers = openReaders(source, logger)
  const tail = openTail(source, logger, () => exchange.connectionLost())
  const tailer = new Tailer({ database: tail, bus, logger })
  const exchange: EventExchange = new EventExchange(tailer, bus)
  const hub = new Hub({ database: readers, tailer, logger })
  const changedEvents = new ChangedEvents({
    database: pool,
    tailer,
    pages: hub.starts.pages,
    logger,
    onCommitted: streams => exchange.wake(streams),
  })
  const tracing = registeredTracing()
  const publisher = new Publisher({
    database: pool,
    onCommitted: committed => exchange.announce(committed),
    tracing,
  })
  hub.tally.tracing = tracing
  tailer.tally.tracing = tracing
  const cluster = new Cluster({
    database: pool,
    logger,
    member: options.clusterMember,
    figures: () => ({
      mode: tailer.failingSince === undefined ? 'normal' : 'degraded',
      lagMs: logLagMs(tailer),
      clients: hub.clients(),
      streams: countByStream(hub.subscriptions),
      bus,
    }),
  })
  cluster.connect(bus, tailer.poll)
  tailer.start()
  cluster.start()
  let closing: Promise<void> | undefined
  try {
    await exchange.start()
    await changedEvents.start()
  } catch (error) {
    await close()
    throw error
  }

  return {
    async publish(
      events,
      { workspace, stream = FEED, actor = 'engine', idempotencyKey, expectedHead, signal },
    ) {
      const traced = events.map(event => ({ ...event, traceparent: traceOf(event) }))
      const target = { workspace, stream, actor, way: 'engine', idempotencyKey, expectedHead } as const
      const request = { ...target, events: traced }
      const receipt = await publisher.publish(request, signal)
      return receipt.events.map(({ position, eventId }) => formatEventId(position, eventId))
    },
    publishIn: (tx, event) => publishIn(tx, { ...event, traceparent: traceOf(event) }),
    follow: options => followEvents({ hub, database: readers }, options),
    close() {
      closing ??= close()
      return closing
    },
  }

  function traceOf({ traceparent }: { readonly traceparent?: string | undefined }): string | undefined {
    return traceparentIn(traceparent) ?? tracing?.active
  }

  function lost(error: Error): void {
    logger.warn({ err: error }, 'A database connection was lost.')
  }

  async function close(): Promise<void> {
    await hub.drain(0)
    hub.close()
    changedEvents.close()
    await publisher.close()
    await cluster.close()
    exchange.close()
    await tailer.close()
    await bus.close()
    await Promise.all([pool.end(), readers.end(), tail.end()])
  }
}
