/**
 * Numbers of JSON, compared by their exact decimal values: as a double, 9007199254740993 would equal 9007199254740992. A number
 * of an event may have 256 KiB of digits, so all work is linear, and only the digits that can decide are kept.
 */

const NUMBER = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/
const ZERO = 48

/** The value is `sign` × 0.`digits` × 10^`magnitude`. */
export interface Decimal {
  readonly sign: -1 | 0 | 1
  /** Begins and ends with another digit than 0, unless it was cut. Empty for zero. */
  readonly digits: string
  /** Infinite, or inexact, only beyond 2^53. */
  readonly magnitude: number
}

const NOUGHT: Decimal = { sign: 0, digits: '', magnitude: 0 }

/**
 * @param text a number as JSON writes it.
 * @param most keeps so many digits, which is enough for a comparison with a number that has fewer.
 */
export function decimalOf(text: string, most = Number.POSITIVE_INFINITY): Decimal {
  const [, minus, whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? []
  const all = whole + fraction
  let start = 0
  while (all.charCodeAt(start) === ZERO) start += 1
  let end = all.length
  while (end > start && all.charCodeAt(end - 1) === ZERO) end -= 1
  if (start === end) return NOUGHT
  return {
    sign: minus ? -1 : 1,
    digits: all.slice(start, Math.min(end, start + most)),
    magnitude: whole.length - start + Number(exponent),
  }
}

/** Negative if the first is less, 0 if both are equal, else positive. At most one of them may have been cut. */
export function compareDecimals(one: Decimal, other: Decimal): number {
  if (one.sign !== other.sign || one.sign === 0) return one.sign - other.sign
  if (one.magnitude !== other.magnitude) return one.magnitude < other.magnitude ? -one.sign : one.sign
  if (one.digits === other.digits) return 0
  return one.digits < other.digits ? -one.sign : one.sign
}

/** One text for each value, in a form that JSON and Postgres read. */
export function textOfDecimal({ sign, digits, magnitude }: Decimal): string {
  if (sign === 0) return '0'
  const exponent = magnitude - digits.length
  return `${sign < 0 ? '-' : ''}${digits}${exponent === 0 ? '' : `e${exponent}`}`
}
