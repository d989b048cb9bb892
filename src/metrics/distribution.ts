/**
 * Durations, counted in buckets, as a histogram of Prometheus has them. They are plain numbers, because some change with every
 * event, and the rooms that count them do not know how they are shown.
 */

/** Upper ends in seconds. The smallest is half a millisecond, because no part of the path of an event is worth a finer one. */
export const BUCKETS = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60,
] as const

export class Distribution {
  /** The number of durations in each bucket, and beyond the last one; not cumulative. */
  readonly #counts = new Array<number>(BUCKETS.length + 1).fill(0)
  #sum = 0

  /** @param seconds less than 0 counts as 0: the clocks of two machines differ. */
  observe(seconds: number): void {
    const value = Math.max(0, seconds)
    const bucket = BUCKETS.findIndex(end => value <= end)
    const at = bucket < 0 ? BUCKETS.length : bucket
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += value
  }

  get sum(): number {
    return this.#sum
  }

  /** The number of durations up to each bucket's end, in the order of BUCKETS; the last number counts all. */
  cumulative(): number[] {
    let total = 0
    return this.#counts.map(count => {
      total += count
      return total
    })
  }
}
