/** The history of one subscription as plain members, because one of them changes with every delivery. */
import { type Cursor, placeOf } from './cursor.js'
import type { Reset } from './start.js'

/** The client was sent from one place to another, without the events in between. */
export interface ClientReset {
  /** In ms since 1970. */
  readonly at: number
  readonly reason: Reset['reason']
  /** Undefined for an id that is no event id of the stream. */
  readonly from: Cursor | undefined
  readonly to: Cursor
}

export class ClientTally {
  /** The client's number in the order of arrival, from 1. Undefined if the host does not know the client. */
  ordinal: number | undefined
  /** Events that were written. */
  events = 0
  resets = 0
  lastReset: ClientReset | undefined
  /** When the last heartbeat was written, in ms since 1970. */
  heartbeatAt: number | undefined

  reset(reason: Reset['reason'], from: Cursor | undefined, to: Cursor): void {
    this.resets += 1
    this.lastReset = { at: Date.now(), reason, from: from && placeOf(from), to: placeOf(to) }
  }
}
