/**
 * A page of the newest event of each key of a stream, for callers that load a state and then follow the stream. All pages of one
 * listing end at the head of the first one, so a caller that follows from there misses nothing and gets nothing twice.
 */
import { gateOf } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import { isDelivered, type Position, type StoredEvent, type StreamId, type StreamName } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import { matching } from '../log/filtered-page.js'
import { type KeyPath, readLatestPage } from '../log/latest.js'
import { type Head, readBounds, readPlace } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import { formatCursor, parseCursor } from '../paging/page-cursor.js'
import { lossOf, type Reset, resetTo } from './start.js'
import { findStored, type GrantedStreams, openStored } from './stored-stream.js'

const PAGE_BYTES = 4 * 1024 * 1024
/** How many pages are read for a filter that matches few events, before an empty page returns the place that was reached. */
const SCANS = 10
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
/** The places after which the page starts and at which the listing ends. */
const PLACES = new RegExp(`^([0-9]{1,16})\\.(${UUID})\\.([0-9]{1,16})\\.(${UUID})$`)

export interface LatestListRequest {
  readonly workspace: string
  readonly stream: string
  /** The streams that the caller may read, which the database compares; default: all. */
  readonly streams?: GrantedStreams
  readonly key: KeyPath
  /** Newest events that do not match are left out; older ones do not take their place. */
  readonly filter: EventFilter | undefined
  /** A key whose newest event has such a type is left out. */
  readonly omitted: TypeFilter | undefined
  readonly limit: number
  /** The cursor of the previous page. */
  readonly cursor?: string | undefined
}

export interface LatestList {
  readonly events: readonly StoredEvent[]
  /** Null on the last page. */
  readonly nextCursor: string | null
  /** The head of the stream when the first page was read. */
  readonly head: Head
}

export type LatestListResult =
  | { readonly outcome: 'page'; readonly page: LatestList }
  /** The log does not continue the cursor. */
  | { readonly outcome: 'reset'; readonly reset: Reset }
  | { readonly outcome: 'not-found' }

interface Range {
  readonly after: Head
  readonly upTo: Head
}

/** @throws {Problem} 400 `invalid-cursor`, and as `readLatestPage`. */
export async function findLatest(
  database: Database,
  { workspace, stream, streams, cursor, ...request }: LatestListRequest,
): Promise<LatestListResult> {
  const range = cursor === undefined ? undefined : parseRange(cursor)
  const found = await (range ? findStored : openStored)(database, { workspace, streams }, stream)
  if (!found) return { outcome: 'not-found' }
  const whole = range ?? (await wholeOf(database, found.id, { workspace, name: stream }))
  if (!whole) return { outcome: 'not-found' }
  const page = await read(database, workspace, found.id, whole, request)
  return 'reason' in page ? { outcome: 'reset', reset: page } : { outcome: 'page', page }
}

async function read(
  database: Database,
  workspace: string,
  stream: StreamId,
  { after: start, upTo }: Range,
  { key, filter, omitted, limit }: Omit<LatestListRequest, 'workspace' | 'stream' | 'streams' | 'cursor'>,
): Promise<LatestList | Reset> {
  let after = start
  for (let scans = 1; ; scans += 1) {
    const request = { key, after: after.position, upTo, limit, maxBytes: PAGE_BYTES }
    const page = await gateOf(database).run(workspace, () => readLatestPage(database, stream, request))
    if (!page || page.anchor !== after.eventId) return findReset(database, stream, page ? after : upTo)
    const kept = page.events.filter(event => isDelivered(event) && !omitted?.matches(event.type))
    const events = filter ? await matching(kept, filter) : kept
    after = page.events.at(-1) ?? after
    if (!page.more) return { events, nextCursor: null, head: upTo }
    if (events.length > 0 || scans >= SCANS)
      return { events, nextCursor: formatRange({ after, upTo }), head: upTo }
  }
}

async function wholeOf(database: Database, stream: StreamId, named: StreamName): Promise<Range | undefined> {
  const bounds = await readBounds(database, stream, named)
  return bounds && { after: bounds.base, upTo: bounds.head }
}

async function findReset(database: Database, stream: StreamId, lost: Head): Promise<Reset> {
  const place = await readPlace(database, stream, lost.position)
  // The place may be there again only if the log was restored in between.
  if (place) return resetTo(place, lossOf(lost, place) ?? 'history-lost')
  return resetTo({ base: lost, head: lost }, 'history-lost')
}

function formatRange({ after, upTo }: Range): string {
  return formatCursor('latest', [after.position, after.eventId, upTo.position, upTo.eventId].join('.'))
}

function parseRange(cursor: string): Range {
  const [, after, afterId = '', upTo, upToId = ''] = PLACES.exec(parseCursor('latest', cursor, PLACES)) ?? []
  return {
    after: { position: Number(after) as Position, eventId: afterId },
    upTo: { position: Number(upTo) as Position, eventId: upToId },
  }
}
