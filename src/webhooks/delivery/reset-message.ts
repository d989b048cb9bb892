/**
 * The message `sluice.reset` to a receiver: the log does not continue after the last event that it was sent, because retention has
 * removed the next ones, or a restore or a failover has lost them. It says which range is missing and where the deliveries
 * continue. It is sent before any event after the gap, and is tried again as an event is.
 */
import { createHash } from 'node:crypto'
import { type Cursor, cursorId } from '../../hub/cursor.js'
import type { Reset } from '../../hub/start.js'
import type { Bounds } from '../../log/log.js'
import type { Message } from '../sending/message.js'

const RESET_TYPE = 'sluice.reset'

export type ResetReason = Exclude<Reset['reason'], 'unknown-id'>

export interface LostCursor {
  readonly webhook: string
  readonly reason: ResetReason
  readonly lost: Cursor
  readonly bounds: Bounds
  readonly at: Date
}

/** Where an endpoint continues: at the first event that is still stored; in another history at its head, as a client does. */
export function continuesAt({ reason, bounds }: Pick<LostCursor, 'reason' | 'bounds'>): Required<Cursor> {
  const { position, eventId } = reason === 'history-lost' ? bounds.head : bounds.base
  return { position, eventId }
}

/** Its UUID is the same as long as the cursor is: it is the value of `webhook-id`, which is stable across retries. */
export function resetMessage({ webhook, reason, lost, bounds, at }: LostCursor): Message {
  const target = continuesAt({ reason, bounds })
  const data = {
    reason,
    /** The last event that was settled. */
    after: cursorId(lost),
    earliest: cursorId(bounds.base),
    head: cursorId(bounds.head),
    continues_after: cursorId(target),
  }
  return {
    id: cursorId(target),
    eventId: nameUuid(`${webhook} ${reason} ${cursorId(lost)}`),
    at,
    type: RESET_TYPE,
    data: JSON.stringify(data),
  }
}

/** A UUID of version 8 (RFC 9562, section 5.8) that depends on the name alone. */
function nameUuid(name: string): string {
  const hash = createHash('sha256').update(name).digest()
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x80, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}
