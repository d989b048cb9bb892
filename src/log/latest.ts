/**
 * The newest event of each key of a stream. The key of an event is the value at a path of its data. A stream with the option
 * compact_key has an index of them (migrations/), which reads move on when it is behind; other streams are read whole, up to a
 * bound. So no call takes long, however long the stream is.
 *
 * The events of one snapshot are those up to `upTo` which no later event of their key has superseded. If one is superseded beyond
 * `upTo` while the pages are read, it may be missing: a client that continues after `upTo` gets the newer one.
 */
import { faultNameOf } from '../database/database-fault.js'
import type { Queryable } from '../database/pool.js'
import { Problem, unavailable } from '../problems/problem.js'
import { MAX_STEPS } from './content-filter/path.js'
import { COMPACTED, type Position, type StoredEvent, type StreamId } from './event.js'
import type { Head, Page } from './log.js'

declare const brand: unique symbol
/** The path of a key, such as `data.id`. */
export type KeyPath = string & { readonly [brand]: 'KeyPath' }

/** As sluice.is_key_path. Each is a path of a content filter, too. */
export const KEY_PATH_PATTERN = `^data(\\.[A-Za-z0-9_-]+){1,${MAX_STEPS}}$`
export const KEY_PATH_FORM = `data and up to ${MAX_STEPS} names of A-Z a-z 0-9 _ - after dots, such as data.id`
export const MAX_KEY_PATH_LENGTH = 256

/** Events that a stream without an index may have. */
export const MOST_UNINDEXED = 10_000
/** A read moves the index on when more events than this are beyond it. */
const FRESH = 64
/** Events beyond the index that a read looks at if it cannot move the index on, as on a read-only database. */
const MOST_BEHIND = 2_000
/** Events by which one statement moves the index on. */
const INDEX_BATCH = 5_000
/** How many times one read moves the index on. */
const MOST_BATCHES = 4

export interface LatestPage extends Page {
  /** Whether there are further events up to `upTo`. */
  readonly more: boolean
}

export interface LatestRequest {
  readonly key: KeyPath
  readonly after: Position
  readonly upTo: Head
  readonly limit: number
  readonly maxBytes: number
}

/** @throws {Problem} 400 `invalid-key`. */
export function parseKeyPath(text: string): KeyPath {
  if (text.length <= MAX_KEY_PATH_LENGTH && new RegExp(KEY_PATH_PATTERN).test(text)) return text as KeyPath
  throw new Problem(
    400,
    'invalid-key',
    `\`key\` is the path of a value in the data of events: data and 1 to ${MAX_STEPS} names of letters, digits, _ and -, at most ${MAX_KEY_PATH_LENGTH} characters, such as data.id.`,
  )
}

/**
 * The events after a position, in the order of their positions: at most `limit`, with at most `maxBytes` of data in total, but
 * at least one if there is any.
 * @returns undefined if the log does not have `upTo`.
 * @throws {Problem} 409 `latest-not-indexed`; 503 `latest-not-ready` while the index is being built.
 */
export async function readLatestPage(
  database: Queryable,
  stream: StreamId,
  request: LatestRequest,
): Promise<LatestPage | undefined> {
  let found = await selectPage(database, stream, request, FRESH)
  for (let batches = 0; found === 'behind' && batches < MOST_BATCHES; batches += 1) {
    if (!(await moveIndexOn(database, stream))) break
    found = await selectPage(database, stream, request, FRESH)
  }
  if (found === 'behind') found = await selectPage(database, stream, request, MOST_BEHIND)
  if (found === 'unindexed') throw notIndexed(request.key)
  if (found === 'behind')
    throw unavailable('latest-not-ready', 'The index of the newest events is being built. Try again.')
  return found === 'lost' ? undefined : found
}

/** Refuses a stream whose newest events no read could find. It may still be too large by its bytes. */
export async function assertIndexed(
  database: Queryable,
  stream: StreamId,
  key: KeyPath,
  events: number,
): Promise<void> {
  if (events <= MOST_UNINDEXED) return
  const { rows } = await database.query<{ key: string }>({
    name: 'sluice-find-compact-key',
    text: 'select c.key_path as key from sluice.compactions c where c.stream_id = $1',
    values: [stream],
  })
  if (rows[0]?.key !== key) throw notIndexed(key)
}

/** Stands for the events that a page passes over, up to this place. */
export function passedOver({ position, eventId }: Head): StoredEvent {
  return { position, eventId, at: new Date(0), type: COMPACTED, data: '{}' }
}

type Outcome = 'lost' | 'behind' | 'unindexed'
type Row = { outcome: 'page'; anchor: string | null; more: boolean } & (StoredEvent | { position: null })

async function selectPage(
  database: Queryable,
  stream: StreamId,
  { key, after, upTo, limit, maxBytes }: LatestRequest,
  mostBehind: number,
): Promise<LatestPage | Outcome> {
  const { rows } = await database.query<Row | { outcome: Outcome }>({
    name: 'sluice-latest-page',
    text: `
      select p.outcome, p.anchor, p.more, p."position", p.event_id as "eventId", p.at, p.type, p.data, p.attributes,
               (select e.traceparent from sluice.events e
                 where e.stream_id = $1 and e."position" = p."position" and e.event_id = p.event_id) as traceparent
        from sluice.latest_page($1, $2, $3, $4, $5, $6, ${MOST_UNINDEXED}, $7, $8) p`,
    values: [stream, key, after, upTo.position, upTo.eventId, mostBehind, limit, maxBytes],
  })
  const [first] = rows
  if (!first) throw new Error('sluice.latest_page returned no row.')
  if (first.outcome !== 'page') return first.outcome
  const events = rows.flatMap(row => {
    if (row.outcome !== 'page' || row.position === null) return []
    const { outcome: _, anchor: __, more: ___, ...event } = row
    return [event]
  })
  return { anchor: first.anchor ?? undefined, more: first.more, events }
}

/** Whether the index has moved on: not if another transaction does that now, nor on a read-only database. */
async function moveIndexOn(database: Queryable, stream: StreamId): Promise<boolean> {
  try {
    const { rows } = await database.query<{ moved: boolean }>({
      name: 'sluice-index-latest',
      text: 'select sluice.index_latest($1, $2) as moved',
      values: [stream, INDEX_BATCH],
    })
    return rows[0]?.moved ?? false
  } catch (error) {
    if (faultNameOf(error) === 'read-only') return false
    throw error
  }
}

function notIndexed(key: KeyPath): Problem {
  return new Problem(
    409,
    'latest-not-indexed',
    `The stream has more than ${MOST_UNINDEXED} events, or too much data, and no index of its newest events by ${key}. ` +
      `An admin adds one with the option compact_key of the stream: PATCH /api/streams/:name {"compact_key":"${key}"}.`,
  )
}
