/**
 * The main metrics of the last hour, for the overview of the console: a sample for each SAMPLE_MS, taken from what `/metrics` shows.
 * The times of samples are whole multiples of SAMPLE_MS, so those of several processes can be added up.
 */
import Type, { type Static } from 'typebox'

export const SAMPLE_MS = 5_000
const KEPT_MS = 3_600_000

const count = (description: string) => Type.Integer({ minimum: 0, description })

export const RecentSample = Type.Object(
  {
    at: Type.Integer({ description: 'When the sample was taken, in milliseconds since 1970.' }),
    clients: count('Open streams at that time.'),
    published: count('Events that this gateway has committed since the sample before.'),
    from_sql: count('Events that were published from SQL, in streams that this gateway follows, since then.'),
    delivered: count('Events that were written to clients since then.'),
    commit_to_delivery: Type.Array(Type.Integer(), {
      description:
        'How many of them took how long from the time of the event until all live clients had been written to: a number for each ' +
        'of `buckets`, not cumulative, and one for all that took longer.',
    }),
  },
  { title: 'RecentSample' },
)
export type RecentSample = Readonly<Static<typeof RecentSample>>

/** The counts since the process started. */
export interface Totals {
  readonly clients: number
  readonly published: number
  readonly fromSql: number
  readonly delivered: number
  /** As in `Distribution.cumulative`. */
  readonly commitToDelivery: readonly number[]
}

export class RecentMetrics {
  readonly #read: () => Totals
  readonly #samples: RecentSample[] = []
  #before: Totals

  constructor(read: () => Totals) {
    this.#read = read
    this.#before = read()
  }

  /** Takes a sample, if the time for one has come since the last. @param now in milliseconds since 1970. */
  tick(now: number): void {
    const at = Math.floor(now / SAMPLE_MS) * SAMPLE_MS
    const last = this.#samples.at(-1)
    // A clock that was set back does not mix the samples up.
    if (last && at <= last.at) return
    const before = this.#before
    const totals = this.#read()
    const beyond = (name: 'published' | 'fromSql' | 'delivered') => Math.max(0, totals[name] - before[name])
    const buckets = perBucket(totals.commitToDelivery)
    const bucketsBefore = perBucket(before.commitToDelivery)
    this.#before = totals
    this.#samples.push({
      at,
      clients: totals.clients,
      published: beyond('published'),
      from_sql: beyond('fromSql'),
      delivered: beyond('delivered'),
      commit_to_delivery: buckets.map((value, index) => Math.max(0, value - (bucketsBefore[index] ?? 0))),
    })
    while ((this.#samples[0]?.at ?? at) <= at - KEPT_MS) this.#samples.shift()
  }

  /** At most an hour of samples, oldest first. */
  samples(): readonly RecentSample[] {
    return this.#samples
  }
}

/** The samples of several processes as those of one. */
export function sumSamples(processes: readonly (readonly RecentSample[])[]): RecentSample[] {
  const sums = new Map<number, RecentSample>()
  for (const sample of processes.flat()) {
    const sum = sums.get(sample.at)
    sums.set(sample.at, sum ? plus(sum, sample) : sample)
  }
  return [...sums.values()].sort((one, other) => one.at - other.at)
}

function plus(one: RecentSample, other: RecentSample): RecentSample {
  return {
    at: one.at,
    clients: one.clients + other.clients,
    published: one.published + other.published,
    // Each process reads all of them from the log.
    from_sql: Math.max(one.from_sql, other.from_sql),
    delivered: one.delivered + other.delivered,
    commit_to_delivery: one.commit_to_delivery.map(
      (value, index) => value + (other.commit_to_delivery[index] ?? 0),
    ),
  }
}

function perBucket(cumulative: readonly number[]): number[] {
  return cumulative.map((value, index) => value - (cumulative[index - 1] ?? 0))
}
