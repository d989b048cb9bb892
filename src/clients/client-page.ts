/**
 * Pages of clients, put together from the reports of several processes. Each process reports as many entries as the page has,
 * and one more: the extra one says whether there is another page. Open clients are in the order of their names, closed ones in
 * that of their end, the newest first.
 */
import type { ClientDocument, ClosedClientDocument } from './client-document.js'

/** A key of a list: the name of a connection. */
export const OPEN_KEY = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** The end in ms since 1970, and the name of the connection. */
export const CLOSED_KEY = /^[0-9]{13}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function keyOfOpen({ connection }: Pick<ClientDocument, 'connection'>): string {
  return connection
}

export function keyOfClosed({
  closed_at,
  connection,
}: Pick<ClosedClientDocument, 'closed_at' | 'connection'>): string {
  return `${Date.parse(closed_at)}.${connection}`
}

export interface Cut {
  readonly order: 'ascending' | 'descending'
  /** The most entries. */
  readonly limit: number
  /** The key after which the entries continue; undefined: from the start. */
  readonly after?: string | undefined
}

/** The first entries after a key. Takes time for each entry once, and holds no more of them than the limit. */
export function firstOf<Entry>(
  entries: Iterable<Entry>,
  keyOf: (entry: Entry) => string,
  { order, limit, after }: Cut,
): Entry[] {
  const isBefore = (one: string, other: string) => (order === 'ascending' ? one < other : one > other)
  const first: { readonly key: string; readonly entry: Entry }[] = []
  for (const entry of entries) {
    const key = keyOf(entry)
    const last = first.at(-1)
    if (after !== undefined && !isBefore(after, key)) continue
    if (last && first.length === limit && !isBefore(key, last.key)) continue
    const place = first.findIndex(other => isBefore(key, other.key))
    first.splice(place < 0 ? first.length : place, 0, { key, entry })
    if (first.length > limit) first.pop()
  }
  return first.map(({ entry }) => entry)
}
