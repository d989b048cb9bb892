/**
 * A replica of the database, which spares the primary the reading of pages for clients that catch up. It may lag, stop, be
 * promoted, or follow another primary; so a page is used only if, in the snapshot in which the replica reads it, all of this
 * holds:
 *
 * - the replica has everything up to the end of the page, or up to the stream's head in this process;
 * - the primary has the last event of the replica's copy of the stream, by identity: the copy is a beginning of the primary's
 *   stream (I4), whatever happened to either server;
 * - the primary's stream still begins at or before the page: retention has not removed the page's place;
 * - the last redaction is the same on both, so the page has no data that was redacted before the primary answered;
 * - it is a standby, which nobody else writes to.
 *
 * The primary answers with one short statement, which is sent after the replica's snapshot was taken. In any other case the
 * caller reads the page from the primary at once. The replica is
 *
 *   up ── a read fails or shows a fault ──▶ away, behind, promoted or diverged ── after a pause, a read succeeds ──▶ up
 *
 * During the pause nothing is read from it. `away`: it fails or takes longer than a second. `behind`: it lacks the last
 * redaction. `promoted`: it is no standby. `diverged`: it has other events than the primary. A replica that only lacks the
 * newest events stays `up`.
 */
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import { type Copy, readCopy } from '../log/copy.js'
import type { Position, StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { withinDeadline } from '../process/deadline.js'
import { REPLICA_DEADLINE_MS } from './log-readers.js'

/**
 * The pause of a replica that is away: a second at first, longer each time. Below are the pauses of the other faults.
 * Two of them need a person; `behind` ends when the redaction arrives.
 */
const AWAY_MS = { minMs: 1_000, maxMs: 30_000 }
const PAUSES_MS = { behind: 1_000, promoted: 30_000, diverged: 30_000 }

export const REPLICA_STATES = ['up', 'away', 'behind', 'promoted', 'diverged'] as const
export type ReplicaState = (typeof REPLICA_STATES)[number]
type Fault = Exclude<ReplicaState, 'up'>
/** `missing`: it does not have all of the page yet. */
type Found = ReplicaState | 'missing'

const LINES: Readonly<Record<Fault, string>> = {
  away: 'The database of READ_DATABASE_URL fails or is slow; pages are read from the primary until it answers.',
  behind:
    'The database of READ_DATABASE_URL lacks the last redaction; pages are read from the primary until it has it.',
  promoted:
    'The database of READ_DATABASE_URL is no standby: it is the primary itself, or was promoted. Pages are read from the primary. Set READ_DATABASE_URL to a standby.',
  diverged:
    'The database of READ_DATABASE_URL has other events than the primary. Pages are read from the primary. Rebuild the standby.',
}

export interface ReplicaOptions {
  readonly replica: Database
  readonly primary: Database
  readonly logger: Logger
  /** For how long nothing is read after a fault, in ms. Default: as above. Tests use less. */
  readonly pauseMs?: number
}

/** A page of the replica with the facts of the same snapshot, or why there is none. */
type Reading<Page> =
  | { readonly page: Page; readonly copy: Copy; readonly original: Promise<Copy | undefined> }
  | { readonly lack: 'missing' | 'promoted' }

export class Replica {
  /** Pages that were taken from it, that it did not have yet, and that were not taken because of a fault. */
  readonly tally = { served: 0, missing: 0, refused: 0 }
  readonly #options: ReplicaOptions
  readonly #backoff = new Backoff(AWAY_MS)
  #state: ReplicaState = 'up'
  /** In ms, of performance.now(). */
  #pausedUntil = 0

  constructor(options: ReplicaOptions) {
    this.#options = options
  }

  /** As the last read has found it. */
  get state(): ReplicaState {
    return this.#state
  }

  /** Asks whether it answers and is a standby, so that a wrong URL shows at the start. Never rejects. */
  async check(): Promise<void> {
    const { replica } = this.#options
    await this.#attempt(async () => {
      const { rows } = await replica.query<{ standby: boolean }>('select pg_is_in_recovery() as standby')
      return rows[0]?.standby ? 'up' : 'promoted'
    })
  }

  /**
   * A page of the events after a position, as `readOn` reads it from the replica. Never rejects.
   * @param end the last position that the page may have.
   * @returns undefined if the page must be read from the primary.
   */
  async read<Page>(
    stream: { readonly id: StreamId; readonly head: Head },
    after: Position,
    end: Position,
    readOn: (server: Queryable) => Promise<Page>,
  ): Promise<Page | undefined> {
    const upTo = Math.min(end, stream.head.position)
    if (upTo <= after || performance.now() < this.#pausedUntil) return undefined
    let page: Page | undefined
    const found = await this.#attempt(async () => {
      const reading = await withinDeadline(this.#read(stream.id, after, upTo, readOn), REPLICA_DEADLINE_MS)
      if (!reading) return 'away'
      if ('lack' in reading) return reading.lack
      const verdict = compare(reading.copy, await reading.original, after)
      if (verdict === 'up') page = reading.page
      return verdict
    })
    this.tally[found === 'up' ? 'served' : found === 'missing' ? 'missing' : 'refused'] += 1
    return page
  }

  async #read<Page>(
    id: StreamId,
    after: Position,
    upTo: number,
    readOn: (server: Queryable) => Promise<Page>,
  ): Promise<Reading<Page>> {
    const { replica, primary } = this.#options
    const read = async (client: Queryable): Promise<Reading<Page>> => {
      const copy = await readCopy(client, id, after)
      if (copy && !copy.isStandby) return { lack: 'promoted' }
      if (!copy || copy.head.position < upTo) return { lack: 'missing' }
      // A primary that fails is no fault of the replica: the caller finds out.
      const original = readCopy(primary, id, copy.head.position).catch(() => undefined)
      return { page: await readOn(client), copy, original }
    }
    return await inTransaction(replica, read, 'repeatable read, read only')
  }

  async #attempt(look: () => Promise<Found>): Promise<Found> {
    try {
      return this.#note(await look())
    } catch (error) {
      return this.#note('away', error)
    }
  }

  #note(found: Found, err?: unknown): Found {
    const { logger, pauseMs } = this.#options
    const before = this.#state
    // It has answered, as a standby; that says nothing about its events.
    if (found === 'missing') this.#state = before === 'away' || before === 'promoted' ? 'up' : before
    else this.#state = found
    if (this.#state === 'up') this.#backoff.reset()
    else if (found !== 'missing') {
      const ownMs = found === 'away' || found === 'up' ? this.#backoff.next() : PAUSES_MS[found]
      this.#pausedUntil = performance.now() + (pauseMs ?? ownMs)
    }
    if (this.#state === before) return found
    if (this.#state === 'up') logger.info({}, 'Pages are read from the database of READ_DATABASE_URL again.')
    else logger[this.#state === 'behind' ? 'info' : 'warn']({ err }, LINES[this.#state])
    return found
  }
}

/** @param original the stream on the primary, with its event at the head of the copy; undefined: it has none, or did not answer. */
function compare(copy: Copy, original: Copy | undefined, after: Position): Found {
  if (!original || original.base.position > after) return 'missing'
  if (copy.changes !== original.changes) return 'behind'
  if (original.eventId === copy.head.eventId) return 'up'
  // Its standby may show an event shortly before a primary that waits for the standby does.
  return copy.head.position > original.head.position ? 'missing' : 'diverged'
}
