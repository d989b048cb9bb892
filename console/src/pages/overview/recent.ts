/** The samples of the last hour (`GET /api/server/metrics`), as the lines of charts. */

export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly clients: number
  readonly published: number
  readonly from_sql: number
  readonly delivered: number
  /** The number of durations in each bucket, and beyond the last one. */
  readonly commit_to_delivery: readonly number[]
}

export interface Recent {
  readonly every_ms: number
  /** Upper ends in seconds. */
  readonly buckets: readonly number[]
  /** Oldest first. */
  readonly samples: readonly Sample[]
}

export const HOUR_MS = 3_600_000
/** Percentiles are of all events of this time before a sample: five seconds hold few. */
const WINDOW_MS = 60_000

export interface Lines {
  /** Seconds since 1970. */
  readonly times: readonly number[]
  readonly published: readonly number[]
  readonly delivered: readonly number[]
  readonly clients: readonly number[]
  /** Milliseconds; null where nothing was delivered. */
  readonly p50: readonly (number | null)[]
  readonly p99: readonly (number | null)[]
}

/** The known samples with newer ones; at most an hour of them. */
export function withNewer(known: Recent | undefined, newer: Recent): Recent {
  const last = known?.samples.at(-1)?.at ?? 0
  const samples = [...(known?.samples ?? []), ...newer.samples.filter(({ at }) => at > last)]
  const start = (samples.at(-1)?.at ?? 0) - HOUR_MS
  return { ...newer, samples: samples.filter(({ at }) => at > start) }
}

export function linesOf({ every_ms, buckets, samples }: Recent): Lines {
  const perSecond = (value: number) => value / (every_ms / 1_000)
  const windows = samples.map((_, index) => windowOf(samples, index))
  return {
    times: samples.map(({ at }) => at / 1_000),
    published: samples.map(({ published, from_sql }) => perSecond(published + from_sql)),
    delivered: samples.map(({ delivered }) => perSecond(delivered)),
    clients: samples.map(({ clients }) => clients),
    p50: windows.map(counts => percentile(0.5, counts, buckets)),
    p99: windows.map(counts => percentile(0.99, counts, buckets)),
  }
}

function windowOf(samples: readonly Sample[], last: number): number[] {
  const { at = 0, commit_to_delivery = [] } = samples[last] ?? {}
  const sum = commit_to_delivery.map(() => 0)
  for (let index = last; index >= 0; index -= 1) {
    const sample = samples[index]
    if (!sample || sample.at <= at - WINDOW_MS) break
    for (const [bucket, count] of sample.commit_to_delivery.entries())
      sum[bucket] = (sum[bucket] ?? 0) + count
  }
  return sum
}

/**
 * A percentile in milliseconds, as Prometheus' `histogram_quantile` computes it: evenly spread within a bucket. Beyond the last
 * bucket it is that bucket's end; null if there is no value.
 */
export function percentile(share: number, counts: readonly number[], ends: readonly number[]): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const wanted = share * total
  let before = 0
  for (const [index, count] of counts.entries()) {
    if (before + count >= wanted && count > 0) {
      const start = ends[index - 1] ?? 0
      const end = ends[index] ?? ends.at(-1) ?? 0
      return 1_000 * (start + ((end - start) * (wanted - before)) / count)
    }
    before += count
  }
  return 1_000 * (ends.at(-1) ?? 0)
}
