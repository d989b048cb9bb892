/** Whether a reset of a reason is true: the log could not continue at the cursor of the client. */
import type { Faults } from './faults.js'
import { isBlind } from './identity.js'
import { isInvented } from './invented-ids.js'
import type { Cursor } from './lost-way.js'
import { placeOf, type StreamLog } from './stream-log.js'

export interface Reset {
  readonly from: Cursor | undefined
  /** The id that the connection brought. */
  readonly brought: string | undefined
  readonly log: StreamLog
  readonly faults: Faults
  readonly t: number
}

export function isTrue(reason: string, { from, brought, log, faults, t }: Reset): boolean {
  switch (reason) {
    case 'history-lost':
      return (
        (from !== undefined &&
          (isGone(from, log) || mayBeLost(brought, from, log) || faults.areTwoWritable(t))) ||
        isInvented(brought, log)
      )
    case 'retention':
      return from !== undefined && from.position < (faults.baseAt(log.name, t) ?? log.base.position)
    case 'unknown-id':
      // Of a position alone, which no event has any more, nobody knows whether it was one.
      return (
        brought !== undefined &&
        !placeOf(brought)?.check &&
        !(isBlind(brought, from) && !isGone(from, log) && !faults.isFailingOver(t))
      )
    default:
      return true
  }
}

/** Whether the log lacks the event, or it may have been a lost one. */
function isGone(from: Cursor | undefined, log: StreamLog): boolean {
  return from !== undefined && (from.twin !== undefined || !log.has(from))
}

/** Whether it brings a position alone at which a lost event stood: a gateway that knows this one takes the client for one that had it. */
function mayBeLost(brought: string | undefined, from: Cursor, log: StreamLog): boolean {
  return isBlind(brought, from) && log.lost.hasPosition(from.position)
}
