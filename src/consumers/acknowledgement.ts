/**
 * Acknowledgements of pull consumers: cumulative, and idempotent, because an id at or before the cursor changes nothing. Fenced: only
 * the present epoch moves the cursor, so a client that has lost the consumer learns it here.
 */
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach, type WorkspaceClient } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { Position, StreamId } from '../log/event.js'
import type { EventId } from '../log/event-id.js'
import { type Head, readPlace } from '../log/log.js'
import type { Consumer } from './consumer.js'
import type { Acknowledged } from './consumer-document.js'
import { discontinued, isNamedBy } from './consumer-place.js'
import { notHandedOut } from './consumer-problem.js'
import { type LaggingConsumer, lagOf } from './consumer-reads.js'
import { moveCursors } from './consumer-rows.js'
import { consumerLost } from './hold-problem.js'

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
  if (id.position <= consumer.cursor.position) {
    return { answer: { cursor: cursorId(consumer.cursor), lag }, moved: undefined }
  }
  const target = await inWorkspace(database, within, client => targetOf(client, consumer.streamId, id))
  const claim = { id: consumer.id, epoch: consumer.epoch }
  const [refused] = await moveCursors(database, [{ ...claim, ...target.cursor }])
  if (refused) throw consumerLost()
  return { answer: { cursor: cursorId(target.cursor), lag: target.lag }, moved: target.cursor }
}

async function targetOf(client: WorkspaceClient, stream: StreamId, id: EventId) {
  const { position } = id
  const place = await readPlace(client, stream, position)
  if (place && position < place.base.position) throw discontinued(place, id, undefined)
  if (place?.eventId === undefined || !isNamedBy(id, place.eventId)) throw notHandedOut()
  const seconds = await ageAfter(client, stream, position)
  const cursor: Head = { position, eventId: place.eventId }
  return { cursor, lag: lagOf(position, place.head.position, seconds) }
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
