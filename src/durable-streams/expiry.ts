/**
 * The end of streams that nobody has used for their TTL, or whose absolute expiry has come. A request that meets one takes it as not
 * found at once; this loop deletes it, within a minute. Before it does, it notes which streams the clients of this process follow: a
 * stream that is followed does not expire. For streams with a TTL below a minute, short-lived.ts does that.
 */
import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'

const EVERY_MS = 20_000
/**
 * Streams that one transaction deletes, or one fork (migrations/0069_one_expired_fork.sql). Each is deleted with up to 5,000 of its
 * events; the rest is swept (streams/deleted-stream-sweep.ts).
 */
const MOST_STREAMS = 20

export interface ExpiryOptions {
  readonly database: Database
  readonly logger: Logger
  /** The streams that clients of this process follow. */
  followed(): readonly StreamId[]
  /** Called after the COMMIT that has deleted these streams. Must not throw. */
  onEnded(streams: readonly StreamId[]): void
  /** Default 20 s. */
  readonly everyMs?: number
}

export class Expiry {
  /** Streams that this process has deleted, for the metrics. */
  removed = 0
  readonly #options: ExpiryOptions
  readonly #closing = new AbortController()
  readonly #loop: PeriodicLoop

  constructor(options: ExpiryOptions) {
    this.#options = options
    this.#loop = new PeriodicLoop({
      name: 'Deleting expired streams',
      everyMs: options.everyMs ?? EVERY_MS,
      jitter: 0.3,
      logger: options.logger,
      levelOf,
      turn: () => this.run(),
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Keeps the followed streams, then deletes what has expired. @throws the faults of the database. */
  async run(): Promise<void> {
    const { database, followed, onEnded } = this.#options
    const kept = followed()
    if (kept.length > 0) await touchFollowed(database, kept)
    while (!this.#closing.signal.aborted) {
      const removed = await expire(database)
      if (removed.length === 0) return
      this.removed += removed.length
      onEnded(removed)
    }
  }

  /** Closing twice is fine. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#loop.close()
  }
}

/** Notes that these streams are used: once in a tenth of their TTL. Those that have expired stay expired. */
export async function touchFollowed(database: Database, streams: readonly StreamId[]): Promise<void> {
  await database.query({
    name: 'sluice-touch-followed',
    text: 'select sluice.touch_followed($1)',
    values: [streams],
  })
}

async function expire(database: Database): Promise<StreamId[]> {
  const { rows } = await database.query<{ removed: string }>({
    name: 'sluice-expire-durable',
    text: 'select array_to_json(sluice.expire_durable($1)) as removed',
    values: [MOST_STREAMS],
  })
  return JSON.parse(rows[0]?.removed ?? '[]')
}
