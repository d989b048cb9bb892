/** The limits of one read of a stream's new events, and so of one delivery. */
import { charactersIn, MAX_EVENT_BYTES, type StoredEvent } from '../log/event.js'
import type { Delivery } from './scheduling/pacing.js'
import type { TailedStream } from './tailed-stream.js'

export const EVENTS_PER_STREAM = 500
export const BYTES_PER_STREAM = 1024 * 1024

/** Whether a page may have been cut by count or by bytes. A character takes up to three bytes. */
export function mayBeCut(events: readonly StoredEvent[]): boolean {
  return events.length >= EVENTS_PER_STREAM || charactersIn(events) * 3 > BYTES_PER_STREAM - MAX_EVENT_BYTES
}

/** The delivery of such a page, as pacing sees it. */
export function deliveryOf(
  { id, liveClients: clients }: TailedStream,
  events: readonly StoredEvent[],
  isBehind: boolean,
): Delivery {
  return { id, clients, characters: charactersIn(events), isBehind }
}
