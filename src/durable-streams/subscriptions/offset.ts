/** The offsets that acknowledgements name: only those of stored events, unlike the places of a read (reading/offset.ts). */

const OFFSET = /^[0-9]{16}$/

/** Undefined for any text that is no offset of a stored event, also for `-1` and `now`. */
export function positionIn(offset: string): number | undefined {
  const position = OFFSET.test(offset) ? Number(offset) : undefined
  return Number.isSafeInteger(position) ? position : undefined
}
