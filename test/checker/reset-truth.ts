/** Whether a reset of a reason is true: the log could not continue at the cursor of the client. */
import type { Faults } from './faults.js'
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
        (from !== undefined && (from.isLost || !log.has(from) || faults.areTwoWritable(t))) ||
        isInvented(brought, log)
      )
    case 'retention':
      return from !== undefined && from.position < (faults.baseAt(log.name, t) ?? log.base.position)
    case 'unknown-id':
      return brought !== undefined && !placeOf(brought)?.check
    default:
      return true
  }
}
