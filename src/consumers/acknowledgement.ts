/**
 * Acknowledgements of pull consumers: cumulative, and idempotent, because an id at or before the cursor changes nothing. Fenced: only
 * the present epoch moves the cursor, so a client that has lost the consumer learns it here.
 *
 * Invariant: while a reset waits, only an acknowledgement of its place or of a later event moves the cursor.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach, type WorkspaceClient } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { Position, StreamId } from '../log/event.js'
import { type EventId, isIdOf } from '../log/event-id.js'
import { type Head, readPlace } from '../log/log.js'
import type { Consumer, ResetPlace } from './consumer.js'
import type { Acknowledged } from './consumer-document.js'
import { discontinued } from './consumer-place.js'
import { notHandedOut } from './consumer-problem.js'
import { type LaggingConsumer, lagOf } from './consumer-reads.js'
import { readConsumer } from './consumer-rows.js'
import { moveCursors } from './cursor-rows.js'
import { NO_EVENT } from './cursor-start.js'
import { consumerLost } from './hold-problem.js'

/** A process stores a reset within a quarter of a second, unless the database is slow. */
const STORED_AFTER_MS = [100, 200, 400, 800]

export interface Acknowledging {
  readonly id: EventId
  /** Undefined: the present one, if the principal holds the consumer or nobody does. */
  readonly epoch: number | undefined
  /** The id of the caller. */
  readonly principal: string
}

export interface Acknowledgement {
  readonly answer: Acknowledged
  /** Undefined if the cursor had reached the event before. */
  readonly moved: Head | undefined
}

/**
 * @param found the consumer, as the caller may see it.
 * @throws {Problem} 409 `consumer-lost` or `not-handed-out`; 410 `retention` for an event after the cursor that retention has
 *   removed: the holder gets a `reset`.
 */
export async function acknowledge(
  database: Database,
  within: Reach,
  { consumer, lag }: LaggingConsumer,
  { id, epoch, principal }: Acknowledging,
): Promise<Acknowledgement> {
  if (!isPresent(consumer, epoch, principal)) throw consumerLost()
  const reset = await resetOf(database, within, consumer, id)
  const isDone = reset ? id.position < reset.to.position : id.position <= consumer.cursor.position
  if (isDone) return { answer: { cursor: cursorId(consumer.cursor), lag }, moved: undefined }
  const target = await inWorkspace(database, within, client =>
    targetOf(client, reset ?? { stream: consumer.streamId }, id),
  )
  const claim = { id: consumer.id, epoch: consumer.epoch }
  const [refused] = await moveCursors(database, [{ ...claim, ...target.cursor }])
  if (refused) throw consumerLost()
  return { answer: { cursor: cursorId(target.cursor), lag: target.lag }, moved: target.cursor }
}

/**
 * The reset that waits for an acknowledgement. One of a lost history, which may go back, is waited for: the process of a live stream
 * sends it before it stores it.
 */
async function resetOf(
  database: Database,
  within: Reach,
  { id, epoch, streamId, cursor, reset }: Consumer,
  acknowledged: EventId,
): Promise<ResetPlace | null> {
  if (reset || acknowledged.position > cursor.position || cursor.eventId === NO_EVENT) return reset
  for (const delayMs of STORED_AFTER_MS) {
    const place = await inWorkspace(database, within, client => readPlace(client, streamId, cursor.position))
    if (place?.eventId === cursor.eventId || (place && cursor.position < place.base.position)) return null
    await pause(delayMs)
    const consumer = await readConsumer(database, id)
    if (consumer?.epoch !== epoch) throw consumerLost()
    if (consumer.reset) return consumer.reset
    if (consumer.cursor.position < cursor.position) return null
  }
  // The client opens the consumer again, and gets the reset.
  throw notHandedOut()
}

async function targetOf(
  client: WorkspaceClient,
  { stream, to }: Partial<ResetPlace> & Pick<ResetPlace, 'stream'>,
  id: EventId,
) {
  const { position } = id
  const place = await readPlace(client, stream, position)
  // Also if the log has lost this place since, or the stream: the next start is another reset then.
  const isReset = to?.position === position && isIdOf(id, to.eventId)
  if (!isReset && place && position < place.base.position) throw discontinued(place, id, undefined)
  const eventId = isReset ? to.eventId : place?.eventId
  if (eventId === undefined || !isIdOf(id, eventId)) throw notHandedOut()
  const seconds = await ageAfter(client, stream, position)
  const cursor: Head = { position, eventId }
  return { cursor, lag: lagOf(position, place?.head.position ?? null, seconds) }
}

function isPresent(
  { epoch, held, fencedBy }: Consumer,
  given: number | undefined,
  principal: string,
): boolean {
  if (given !== undefined) return given === epoch
  return held ? held.principal === principal : fencedBy !== 'sought'
}

/** In seconds; null if there is no event after the position. */
async function ageAfter(
  client: WorkspaceClient,
  stream: StreamId,
  position: Position,
): Promise<number | null> {
  const { rows } = await client.query<{ seconds: number }>({
    name: 'sluice-age-after',
    text: `select extract(epoch from clock_timestamp() - e.at)::float8 as seconds from sluice.events e
            where e.stream_id = $1 and e."position" > $2 order by e."position" limit 1`,
    values: [stream, position],
  })
  return rows[0]?.seconds ?? null
}
