/** Figures from samples. */

export function percentile(sorted: readonly number[], percent: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))]
  if (value === undefined) throw new RangeError('There is no sample.')
  return value
}

export function sorted(values: Iterable<number>): number[] {
  return [...values].sort((a, b) => a - b)
}

/** Three digits are more than a shared machine can reproduce. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}

/** Nanoseconds of the machine's monotonic clock: the same in all its processes. */
export function now(): number {
  return Number(process.hrtime.bigint())
}
