/**
 * The cursor of a list: the start of its next page, as text that is opaque to clients. It names the list as well, so
 * that the cursor of another list is refused instead of being read as a place in this one.
 */
import { Problem } from '../problems/problem.js'

/**
 * A place in a list that is ordered by time and id, after a row that may have been deleted. `at` is in microseconds
 * since 1970: a Date would lose the last three digits.
 */
export interface Place {
  readonly at: number
  readonly id: string
}

const PLACE = /^[0-9]{1,17}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function formatCursor(list: string, last: string | number): string {
  return Buffer.from(`${list}:${last}`).toString('base64url')
}

/**
 * The key after which the page starts.
 * @throws {Problem} 400 `invalid-cursor` for a text that `formatCursor` never made.
 */
export function parseCursor(list: string, cursor: string, key: RegExp): string {
  // The decoder skips characters outside base64url: only a text that encodes back to itself is one of our cursors.
  const text = Buffer.from(cursor, 'base64url').toString()
  const last = text.slice(list.length + 1)
  if (key.test(last) && formatCursor(list, last) === cursor) return last
  const detail =
    "The cursor is not one of this list's. Take next_cursor as it is, or leave it out to start again."
  throw new Problem(400, 'invalid-cursor', detail)
}

export function formatPlace(list: string, { at, id }: Place): string {
  return formatCursor(list, `${at}.${id}`)
}

/** @throws {Problem} as `parseCursor`. */
export function parsePlace(list: string, cursor: string): Place {
  const [at, id = ''] = parseCursor(list, cursor, PLACE).split('.')
  return { at: Number(at), id }
}

/** Cuts rows that were read with one more than `limit` to a page; the extra row says whether another page follows. */
export function cutPage<T>(
  rows: readonly T[],
  limit: number,
  cursorOf: (last: T) => string,
): { page: T[]; next_cursor: string | null } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { page, next_cursor: last !== undefined && rows.length > limit ? cursorOf(last) : null }
}
