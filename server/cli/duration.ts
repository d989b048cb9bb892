/** A duration as a person writes it: `30s`, `15m`, `2h`, `7d`. */
import { UsageError } from '../../src/process/usage.js'
import type { Parse } from './option.js'

const UNITS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** @returns milliseconds. */
export const duration: Parse<number> = (given, name) => {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(given) ?? []
  const ms = UNITS.get(unit)
  if (count !== undefined && ms !== undefined) return Number(count) * ms
  throw new UsageError(`${name} must be a duration such as 30s, 15m, 2h or 7d.`)
}
