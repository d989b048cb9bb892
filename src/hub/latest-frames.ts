/**
 * The events of a subscription that starts with the newest event of each key: up to the end of the range, a page has only
 * these. Between them the cursor moves over the superseded ones, as it does with a filter. Whatever happens after `upTo` is read as
 * usual, so every key that is superseded meanwhile reaches the client with its newer event.
 */
import type { Database } from '../database/pool.js'
import { type KeyPath, passedOver, readLatestPage } from '../log/latest.js'
import type { Head } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import { Problem } from '../problems/problem.js'
import type { Cursor } from './cursor.js'
import type { HubStream } from './hub-stream.js'
import { PageFrames } from './page-frames.js'

export interface LatestRange {
  readonly key: KeyPath
  /** The head when the client started. */
  readonly upTo: Head
  /** A key whose newest event has such a type is passed over. */
  readonly omitted: TypeFilter | undefined
}

/** Equal for reads with the same result. */
export function latestKey(stream: HubStream, cursor: Cursor, { key, upTo, omitted }: LatestRange): string {
  return [stream.history, 'latest', cursor.position, upTo.eventId, key, omitted?.key ?? ''].join(':')
}

/** @returns undefined if these events cannot be found: read all events instead, which lead to the same state. */
export async function readLatestFrames(
  database: Database,
  stream: HubStream,
  { position }: Cursor,
  { key, upTo, omitted }: LatestRange,
  limit: number,
  maxBytes: number,
): Promise<PageFrames | undefined> {
  const request = { key, after: position, upTo, limit, maxBytes }
  const page = await readLatestPage(database, stream.id, request).catch(error => {
    if (error instanceof Problem && error.code === 'latest-not-indexed') return undefined
    throw error
  })
  if (!page) return undefined
  const events = page.events.map(event => (omitted?.matches(event.type) ? passedOver(event) : event))
  if (!page.more && events.at(-1)?.position !== upTo.position) events.push(passedOver(upTo))
  return new PageFrames(position, { anchor: page.anchor, events })
}
