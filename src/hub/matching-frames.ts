/** A page of the events that match a filter, and of the last event that was checked: the cursor moves to it. */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import { readFilteredPage } from '../log/filtered-page.js'
import { PageFrames } from './page-frames.js'

/** @returns undefined if at least `limit` events match. */
export async function readMatchingFrames(
  database: Queryable,
  stream: StreamId,
  after: Position,
  end: Position,
  filter: EventFilter,
  limit: number,
  maxBytes: number,
): Promise<PageFrames | undefined> {
  const page = await readFilteredPage(database, stream, after, end, filter, limit, maxBytes)
  const { anchor, events, last } = page
  if (events.length === limit) return undefined
  const covered = last && last !== events.at(-1) ? [...events, last] : events
  return new PageFrames(after, { anchor, events: covered })
}
