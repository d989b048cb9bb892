/**
 * The value of the only member of a JSON object, as text: digits, spaces and the order of keys stay as they were written. The text is
 * valid JSON, because the database has checked it.
 */
import { afterSpace, CLOSE_BRACE, endOfValue } from '../../bytes/json-places.js'

/** @returns undefined if the object does not have exactly this one member. */
export function memberOf(object: string, name: string): string | undefined {
  const key = `"${name}"`
  const first = object.indexOf('"')
  if (first < 0 || !object.startsWith(key, first)) return undefined
  const start = afterSpace(object, object.indexOf(':', first + key.length) + 1)
  const end = endOfValue(object, start)
  return object.charCodeAt(afterSpace(object, end)) === CLOSE_BRACE ? object.slice(start, end) : undefined
}
