/** The limits of one read of a stream's new events, and so of one delivery. */
import { MAX_DATA_BYTES, type StoredEvent } from '../log/event.js'

export const EVENTS_PER_STREAM = 500
export const BYTES_PER_STREAM = 1024 * 1024

/** Whether a page may have been cut by count or by bytes. A character takes up to three bytes. */
export function mayBeCut(events: readonly StoredEvent[]): boolean {
  const characters = events.reduce((sum, event) => sum + event.data.length, 0)
  return events.length >= EVENTS_PER_STREAM || characters * 3 > BYTES_PER_STREAM - MAX_DATA_BYTES
}
