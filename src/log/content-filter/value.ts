/** A value in an event as filters see it. Long texts are cut behind the last character that can decide a comparison. */
import { type Decimal, decimalOf } from './decimal.js'

/** The longest text of a filter, so none of its values is longer. */
export const MAX_WHERE_LENGTH = 4_096
const KEPT_LENGTH = MAX_WHERE_LENGTH + 1

export type Value =
  | { readonly kind: 'missing' | 'null' | 'true' | 'false' | 'object' | 'array' }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly decimal: Decimal }

export const MISSING: Value = { kind: 'missing' }
export const NULL: Value = { kind: 'null' }
export const TRUE: Value = { kind: 'true' }
export const FALSE: Value = { kind: 'false' }
export const OBJECT: Value = { kind: 'object' }
export const ARRAY: Value = { kind: 'array' }

export function stringValue(text: string): Value {
  return { kind: 'string', text }
}

/** @param text the number as the event writes it. */
export function numberValue(text: string): Value {
  return { kind: 'number', decimal: decimalOf(text, KEPT_LENGTH) }
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** The beginning of the string that JSON writes between `start` and `end`, as far as a filter can compare it. */
export function stringIn(json: string, start: number, end: number): string {
  const raw = json.slice(start, end)
  let slash = raw.indexOf('\\')
  if (slash < 0) return raw.slice(0, KEPT_LENGTH)
  let text = ''
  let at = 0
  for (; slash >= 0 && text.length < KEPT_LENGTH; slash = raw.indexOf('\\', at)) {
    text += raw.slice(at, slash)
    const letter = raw.charAt(slash + 1)
    const isCode = letter === 'u'
    at = slash + (isCode ? 6 : 2)
    text += isCode
      ? String.fromCharCode(Number.parseInt(raw.slice(slash + 2, at), 16))
      : (SHORT_ESCAPES[letter] ?? letter)
  }
  return (slash < 0 ? text + raw.slice(at) : text).slice(0, KEPT_LENGTH)
}

/** Compares by code points, as Postgres does with the collation "C". Negative if the first is less, 0 if both are equal. */
export function compareTexts(one: string, other: string): number {
  const shorter = Math.min(one.length, other.length)
  for (let at = 0; at < shorter; at += 1) {
    const a = one.charCodeAt(at)
    const b = other.charCodeAt(at)
    if (a !== b) return rank(a) - rank(b)
  }
  return one.length - other.length
}

/** UTF-16 writes code points beyond U+FFFF with units that are less than U+E000. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
