/**
 * Refuses what a caller would store beyond the limits of its workspace, before anything of it is stored.
 *
 * The log is counted afterwards (usage-count.ts), so this process decides by the last count and by what it has admitted since
 * that count began. No request waits for the database but the first one of a workspace. So all processes together exceed a
 * limit by at most what the others admit until the next count, and never for longer. Without an answer of the database nothing is
 * refused: it would store nothing either.
 *
 * Only callers of the API are limited: not runners that report on a job, which was admitted, and not programs that have the
 * credentials of the database. What they store counts, too.
 */
import { LRUCache } from 'lru-cache'
import type { Database } from '../database/pool.js'
import type { SharedLimit } from '../limits/shared-limit.js'
import { Problem } from '../problems/problem.js'
import { type CountedUsage, readUsage } from './usage-rows.js'

/** The counts of a workspace are read again after this time. */
const READ_AGAIN_MS = 2_000
const REMEMBERED = 10_000
const SPAN_MS = 1_000
/** While nobody counts, the newest span grows. */
const MOST_SPANS = 100

export const LIMITED = ['events', 'bytes', 'jobs'] as const
export type Limited = (typeof LIMITED)[number]
export type Amounts = Readonly<Record<Limited, number>>

/** What a request would store. */
export interface Asked {
  readonly events: number
  /** Default: unknown. */
  readonly bytes?: number
  readonly jobs?: number
}

export interface QuotaOptions {
  readonly database: Database
  /** 0 = unlimited. */
  readonly limits: Amounts
  /** Events of each workspace in a minute; undefined: any number. */
  readonly rate?: SharedLimit | undefined
  /** In ms; default performance.now. */
  readonly now?: () => number
}

/** What was admitted here within a second of this time. */
type Admitted = Record<Limited, number> & { at: number }

interface Known {
  readAt: number
  reading: Promise<void>
  isRead: boolean
  usage: CountedUsage | undefined
  /** Oldest first. */
  readonly admitted: Admitted[]
}

export class Quota {
  readonly limits: Amounts
  /** How often each limit has refused a request. */
  readonly refused = { events: 0, bytes: 0, jobs: 0, rate: 0 }
  readonly #options: QuotaOptions
  readonly #now: () => number
  readonly #known = new LRUCache<string, Known>({ max: REMEMBERED })

  constructor(options: QuotaOptions) {
    this.#options = options
    this.limits = options.limits
    this.#now = options.now ?? (() => performance.now())
  }

  /**
   * Call this before a request stores anything.
   * @param isRepeated whether an earlier request has stored it, so this one stores nothing; asked before a refusal only.
   * @throws {Problem} 507 `workspace-full`; 429 `rate-limited`.
   */
  async admit(
    workspace: string,
    { events, bytes = 0, jobs = 0 }: Asked,
    isRepeated: () => Promise<boolean> = async () => false,
  ): Promise<void> {
    const amounts = { events, bytes, jobs }
    const known = await this.#readOnce(workspace)
    // From here to #add nothing waits, so requests that arrive together count each other.
    const full = known && this.#fullBy(known, amounts)
    if (full !== undefined) {
      if (await isRepeated()) return
      this.refused[full] += 1
      throw workspaceFull(full, this.limits[full])
    }
    const { rate } = this.#options
    const spent = rate?.spend(`events:${workspace}`, events)
    if (rate && spent?.allowed === false) {
      if (await isRepeated()) return
      this.refused.rate += 1
      throw tooFast(rate.max, Math.ceil(spent.resetMs / 1_000))
    }
    if (known) this.#add(known.admitted, amounts)
  }

  /** @returns undefined without limits. */
  async #readOnce(workspace: string): Promise<Known | undefined> {
    if (LIMITED.every(name => this.limits[name] === 0)) return undefined
    const known = this.#knownOf(workspace)
    // Later reads run meanwhile.
    if (!known.isRead) await known.reading
    return known
  }

  #fullBy(known: Known, amounts: Amounts): Limited | undefined {
    const { limits } = this
    const used = (name: Limited) =>
      known.admitted.reduce((sum, each) => sum + each[name], known.usage?.[name] ?? 0)
    // Everything that is stored has a byte more, also where the caller does not know how many.
    return LIMITED.find(name => {
      const more = name === 'jobs' ? amounts.jobs : Math.max(1, amounts[name])
      return limits[name] > 0 && more > 0 && used(name) + more > limits[name]
    })
  }

  #add(spans: Admitted[], { events, bytes, jobs }: Amounts): void {
    const at = this.#now()
    const last = spans.at(-1)
    if (last && (at < last.at + SPAN_MS || spans.length >= MOST_SPANS)) {
      last.events += events
      last.bytes += bytes
      last.jobs += jobs
      if (at >= last.at + SPAN_MS) last.at = at
    } else spans.push({ at, events, bytes, jobs })
  }

  #knownOf(workspace: string): Known {
    const known = this.#known.get(workspace) ?? {
      readAt: Number.NEGATIVE_INFINITY,
      reading: Promise.resolve(),
      isRead: false,
      usage: undefined,
      admitted: [],
    }
    this.#known.set(workspace, known)
    if (this.#now() - known.readAt >= READ_AGAIN_MS) {
      known.readAt = this.#now()
      known.reading = this.#readAgain(workspace, known).catch(() => undefined)
    }
    return known
  }

  async #readAgain(workspace: string, known: Known): Promise<void> {
    const usage = await readUsage(this.#options.database, workspace)
    known.isRead = true
    if (!usage) return
    // What was committed before the count began is in it. A span that is not over by then stays: the safe mistake.
    const begun = this.#now() - usage.ageMs
    const kept = known.admitted.findIndex(({ at }) => at + SPAN_MS >= begun)
    known.admitted.splice(0, kept < 0 ? known.admitted.length : kept)
    known.usage = usage
  }
}

function workspaceFull(limited: Limited, most: number): Problem {
  const detail =
    `Your workspace has reached its limit of ${most} ${limited}. Nothing was stored. ` +
    'Let retention remove old events, delete streams, or ask the operator for a higher limit.'
  return new Problem(507, 'workspace-full', detail, { quota: limited })
}

function tooFast(most: number, seconds: number): Problem {
  const detail = `Your workspace may publish ${most} events a minute. Nothing was stored. Try again in ${seconds} s.`
  return new Problem(429, 'rate-limited', detail, { retry_after: seconds })
}
