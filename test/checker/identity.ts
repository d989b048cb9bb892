/** Which event a client has got that says no more than its position. */
import type { EntryOf } from './history.js'
import { type Cursor, faultOnLostWay } from './lost-way.js'
import { placeOf, type StreamLog, type Wanted } from './stream-log.js'

type Frame = EntryOf<'frame'>

/**
 * @returns the frame with the id of its event, or the position alone if no event at it has these bytes. `twin`: it may be this lost
 * event as well, because its publisher sent it again after the loss, and it got the same position.
 */
export function identify(
  log: StreamLog,
  wanted: Wanted,
  frame: Frame,
  cursor: Cursor | undefined,
): Frame & { readonly twin?: string | undefined } {
  const place = placeOf(frame.id)
  if (!place || place.check !== undefined) return frame
  const stored = log.idWith(place.position, wanted.form, frame.h)
  const lost = log.lost.idWith(place.position, wanted.form, frame.h)
  if (!stored || !lost) return { ...frame, id: stored ?? lost ?? frame.id }
  return cursor?.isLost && !faultOnLostWay(log, wanted, cursor, lost)
    ? { ...frame, id: lost }
    : { ...frame, id: stored, twin: lost }
}

/** Whether a client at a cursor brings the position of it alone, which says nothing of the history. */
export function isBlind(brought: string | undefined, cursor: Cursor | undefined): boolean {
  const place = placeOf(brought ?? '')
  return place !== undefined && place.check === undefined && place.position === cursor?.position
}
