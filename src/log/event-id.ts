/**
 * The event id `<position>.<check>`: SSE sends it as `id:`, and the client sends it back as `Last-Event-ID`. The check is the
 * first 30 bits of the event's UUID in base 32. With it the gateway recognises an id of another history (a restore, a
 * failover, another stream) instead of skipping events silently (I4).
 *
 * Its alphabet is CORS-safelisted; any other would force a preflight on every reconnect (Fetch, §2.2.2).
 */
import type { Position } from './event.js'

const MAX_ID_BYTES = 64
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const EVENT_ID = /^(0|[1-9][0-9]{0,15})(?:\.([a-z2-7]{6}))?$/

/** A place in a stream as a client names it. Without `check` it was typed by hand, and is accepted as it is. */
export interface EventId {
  readonly position: Position
  readonly check: string | undefined
}

export function formatEventId(position: Position, eventId: string): string {
  return `${position}.${checkOf(eventId)}`
}

/** Six characters from the first 30 bits of a UUID. */
export function checkOf(eventId: string): string {
  const bits = Number.parseInt(eventId.slice(0, 8), 16) >>> 2
  let check = ''
  for (let shift = 25; shift >= 0; shift -= 5) check += BASE32[(bits >>> shift) & 31]
  return check
}

/** Whether an id, with its check if it has one, is that of the event with this UUID. */
export function isIdOf({ check }: EventId, eventId: string): boolean {
  return check === undefined || check === checkOf(eventId)
}

/** Undefined for a text that is not an event id: empty, too long, doubled (`1.aaaaaa, 2.bbbbbb`), invented. */
export function parseEventId(text: string): EventId | undefined {
  const parts = text.length <= MAX_ID_BYTES ? EVENT_ID.exec(text) : null
  if (!parts) return undefined
  const position = Number(parts[1])
  return Number.isSafeInteger(position) ? { position: position as Position, check: parts[2] } : undefined
}
