/** Offsets of the protocol as cursors of subscriptions: the position of an event with 16 digits, so that texts sort as numbers. */

const DIGITS = 16
const OFFSET = /^[0-9]{16}$/

export function offsetOf(position: number): string {
  return String(position).padStart(DIGITS, '0')
}

/** Undefined for any text that is no offset of a stored event, also for `-1` and `now`. */
export function positionIn(offset: string): number | undefined {
  const position = OFFSET.test(offset) ? Number(offset) : undefined
  return Number.isSafeInteger(position) ? position : undefined
}
