/**
 * Keeps the log from growing for ever: events go when they are older than their kind of stream keeps them, the oldest
 * of each stream first; jobs go some time after their end, with their streams; idempotency keys go after a day, stream
 * tickets when they are over. Any process may do it; at any time one does.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import { SqlState, sqlState } from '../problems/problem.js'
import type { StreamId } from './event.js'
import { noteUse } from './log.js'
import { findDue, limitStreams, retainDue, retainStream } from './stored-streams.js'

const EVERY_MS = 3_600_000
/** Soon after the start, so that a process that is restarted often does it too. */
const FIRST_MS = 30_000
const RETRY_MS = 60_000
/** Processes that were started together do not meet at each turn. */
const JITTER = 0.5
/** Streams whose use is noted with one statement. */
const NOTED_TOGETHER = 1_000
/** Streams that were locked when their turn came, and are waited for in a sweep, a second each. */
const MOST_BUSY = 20
/** An append waits for the end of a batch; measured: 5,000 events are 20 to 40 ms. */
const BATCH = 5_000
/** Between batches, for everybody else. */
const PAUSE_MS = 20
const KEYS_KEPT_DAYS = 1

export interface RetentionOptions {
  readonly database: Database
  readonly logger: Logger
  /** Days that events are kept, by kind of stream. A kind that is 0 or not there keeps its events for ever. */
  readonly days: Readonly<Record<string, number>>
  /** Days that a job is kept after its end; 0 keeps it for ever. */
  readonly jobDays: number
  /** The streams that somebody in this process follows: they are kept though they have no events. */
  readonly followed?: () => readonly StreamId[]
  /** Streams that a workspace may have; 0: any number. Default: as it is in the database. */
  readonly maxStoredStreams?: number
}

export class Retention {
  readonly #options: RetentionOptions
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#untilClosed()
  }

  /** Ends after the batch that is being removed, if any. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /**
   * Removes all that has expired.
   * @returns how many events: 0 also when another process is at it.
   */
  async sweep(): Promise<number> {
    const { database, days, jobDays } = this.#options
    await this.#noteUses()
    let removed = 0
    for (const [kind, kept] of Object.entries(days)) if (kept > 0) removed += await this.#retain(kind, kept)
    if (jobDays > 0) removed += await this.#inBatches(() => removeJobs(database, jobDays))
    await this.#inBatches(() => removeKeys(database))
    await this.#inBatches(() => removeTickets(database))
    return removed
  }

  async #noteUses(): Promise<void> {
    const { database, followed } = this.#options
    const ids = followed?.() ?? []
    for (let first = 0; first < ids.length && !this.#closing.signal.aborted; first += NOTED_TOGETHER) {
      await noteUse(database, ids.slice(first, first + NOTED_TOGETHER))
    }
  }

  async #retain(kind: string, days: number): Promise<number> {
    const { database } = this.#options
    let removed = 0
    for (let more = true; more && !this.#closing.signal.aborted; ) {
      const batch = await retainDue(database, kind, days, BATCH)
      removed += batch.removed
      more = batch.more
      if (more) await this.#wait(PAUSE_MS)
    }
    // A transaction that keeps its stream locked, such as a prepared one, holds up the retention of that stream alone.
    for (const id of await findDue(database, kind, days, MOST_BUSY)) {
      if (this.#closing.signal.aborted) break
      removed += await retainStream(database, id, days, BATCH).catch(error => {
        if (sqlState(error) === SqlState.lockNotAvailable) return 0
        throw error
      })
    }
    return removed
  }

  async #inBatches(remove: () => Promise<number>): Promise<number> {
    let total = 0
    while (!this.#closing.signal.aborted) {
      const removed = await remove()
      total += removed
      if (removed < BATCH) break
      await this.#wait(PAUSE_MS)
    }
    return total
  }

  async #untilClosed(): Promise<void> {
    await this.#tellLimit().catch(() => undefined)
    await this.#wait(jittered(FIRST_MS))
    while (!this.#closing.signal.aborted) await this.#wait(jittered(await this.#turn()))
  }

  /** @returns the milliseconds after which to do it again. */
  async #turn(): Promise<number> {
    const { logger } = this.#options
    try {
      await this.#tellLimit()
      const removed = await this.sweep()
      if (removed > 0) logger.info({ removed }, 'Removed expired events.')
      return EVERY_MS
    } catch (error) {
      logger[levelOf(error)]({ err: error }, 'Expired events could not be removed; trying again in a minute.')
      return RETRY_MS
    }
  }

  /** To the functions that create streams: a program that publishes from SQL has no configuration of ours. */
  async #tellLimit(): Promise<void> {
    const { database, maxStoredStreams } = this.#options
    if (maxStoredStreams !== undefined) await limitStreams(database, maxStoredStreams)
  }

  /** The process may end meanwhile. */
  async #wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {})
  }
}

function jittered(ms: number): number {
  return ms * (1 - JITTER * Math.random())
}

/** @returns how many of their events. */
async function removeJobs(database: Database, days: number): Promise<number> {
  const { rows } = await database.query<{ removed: number }>({
    name: 'sluice-forget-jobs',
    text: `select sluice.forget_jobs($1::float8 * interval '1 day', $2) as removed`,
    values: [days, BATCH],
  })
  return rows[0]?.removed ?? 0
}

async function removeKeys(database: Database): Promise<number> {
  const { rows } = await database.query<{ removed: number }>({
    name: 'sluice-forget-keys',
    text: `select sluice.forget_keys($1::float8 * interval '1 day', $2) as removed`,
    values: [KEYS_KEPT_DAYS, BATCH],
  })
  return rows[0]?.removed ?? 0
}

async function removeTickets(database: Database): Promise<number> {
  // One that is just being taken stays for the next time.
  const { rowCount } = await database.query({
    name: 'sluice-forget-tickets',
    text: `delete from sluice.stream_tickets t where t.ctid = any (array(
             select o.ctid from sluice.stream_tickets o where o.good_until < now()
             order by o.good_until limit $1 for update skip locked
           ))`,
    values: [BATCH],
  })
  return rowCount ?? 0
}
