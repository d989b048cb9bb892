/** What has happened on one subscription: plain members, because one of them changes with every delivery. */
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
