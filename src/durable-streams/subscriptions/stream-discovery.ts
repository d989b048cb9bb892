/**
 * Finds streams that were made since subscriptions were last compared with them, by the number of the newest one: one probe when there is
 * none. A transaction may commit a stream with a smaller number later, so the mark moves only to a number that every transaction has
 * passed which ran when it was read.
 *
 * A restore gives the numbers of lost streams again. So the mark is the one that the database has, and what was seen counts only while the
 * database has it.
 */
import type { Database } from '../../database/pool.js'
import { discoverStreams, moveMark, readMark } from './growth-rows.js'

const PAGE = 1_000
/** Streams of one turn at most: 20,000. The next turn continues at the mark. */
const MAX_PAGES = 20
/** A transaction takes the number of a stream just before its own, so what was read less than this ago is not settled. */
const SETTLED_MS = 1_000

interface Seen {
  readonly id: number
  readonly xid: bigint
  readonly at: number
}

export class StreamDiscovery {
  readonly #database: Database
  #newest: number | undefined
  #seen: Seen[] = []

  constructor(database: Database) {
    this.#database = database
  }

  /** The newest stream that was looked at; a stream with a greater number is unknown. */
  get newest(): number {
    return this.#newest ?? 0
  }

  /** Looks at streams after the newest known one. @returns how many subscriptions have become due. */
  async glance(): Promise<number> {
    if (this.#newest === undefined) return await this.look()
    const found = await discoverStreams(this.#database, this.#newest, PAGE)
    this.#newest = Math.max(this.#newest, found?.lastId ?? 0)
    return found?.due ?? 0
  }

  /** Looks at all streams after the mark, and moves it. @returns how many subscriptions have become due. */
  async look(now = performance.now()): Promise<number> {
    let due = 0
    let after = await readMark(this.#database)
    let oldest: bigint | undefined
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const found = await discoverStreams(this.#database, after, PAGE)
      if (!found) break
      due += found.due
      after = found.lastId
      const next = BigInt(found.nextXid)
      oldest ??= BigInt(found.oldestXid)
      this.#seen = this.#seen.filter(({ xid }) => xid <= next)
      if (found.streams > 0) this.#seen.push({ id: after, xid: next, at: now })
      if (found.streams < PAGE) break
    }
    this.#newest = after
    this.#seen = this.#seen.filter(({ id }) => id <= after)
    if (oldest !== undefined) await this.#settle(oldest, now)
    return due
  }

  async #settle(oldest: bigint, now: number): Promise<void> {
    const settled = this.#seen.filter(({ xid, at }) => xid <= oldest && at + SETTLED_MS < now)
    if (settled.length === 0) return
    this.#seen = this.#seen.filter(seen => !settled.includes(seen))
    await moveMark(this.#database, Math.max(...settled.map(({ id }) => id)))
  }
}
