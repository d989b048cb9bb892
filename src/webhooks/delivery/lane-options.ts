/** The parts and settings of a lane. */
import type { Cursor } from '../../hub/cursor.js'
import type { Lane as LaneName, WaitingDelivery } from '../endpoint.js'
import type { EventWindow } from './event-window.js'
import type { LaneHost } from './lane-host.js'
import type { LaneReader } from './lane-reader.js'
import type { LostCursor } from './reset-message.js'

export type Loss = Pick<LostCursor, 'reason' | 'bounds'>

export interface LaneOptions {
  readonly name: LaneName
  readonly host: LaneHost
  readonly reader: LaneReader
  readonly window: EventWindow
  /** Undefined: it has only the deliveries that wait. */
  readonly cursor?: Required<Cursor> | undefined
  /** The last position, of a replay. */
  readonly to?: number | undefined
  readonly waiting: readonly WaitingDelivery[]
  /** The log does not continue the cursor, as was found before the lane was made. */
  readonly loss?: Loss | undefined
}
