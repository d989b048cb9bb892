/** Events that the table will not have at the end of a run, read before they go: the checker compares what clients received of them. */
import { createPool, type Database } from '../../src/database/pool.js'
import type { Position } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'
import type { EntryOf } from './history.js'
import { type Forms, hashesOf, markerIn, type TableEvent, WRITTEN } from './recorded-table.js'
import type { Recorder } from './recorder.js'

type Row = EntryOf<'row'>

interface Stored extends Omit<TableEvent, 'id'> {
  readonly stream: string
  /** The event before it. */
  readonly beforeId: string
}

const COLUMNS = `s.workspace || '/' || s.name as stream, e."position", e.event_id as "eventId", e.type, e.data, e.at,
  coalesce((select b.event_id from sluice.events b where b.stream_id = s.id and b."position" = e."position" - 1),
    s.base_event_id) as "beforeId"`
const EVENTS = `sluice.events e join sluice.streams s on s.id = e.stream_id where s.workspace <> '$system'`

/** The last position of each stream. */
export type Heads = readonly { readonly id: string; readonly head: Position }[]

export async function headsOf(pool: Database): Promise<Heads> {
  const heads = `select stream_id as id, max("position") as head from sluice.events group by stream_id`
  return (await pool.query<{ id: string; head: Position }>(heads)).rows
}

/** The events of a server that another one, which takes its place, does not have. @param kept of that one, before it was written. */
export async function lostRows(old: Database, kept: Heads, forms: Forms): Promise<Row[]> {
  const { rows } = await old.query<Stored>(
    `select ${COLUMNS} from ${EVENTS}
       and e."position" > coalesce((select (k ->> 'head')::bigint from json_array_elements($1::json) k
                                     where (k ->> 'id')::bigint = s.id), s.base_position)
      order by s.id, e."position"`,
    [JSON.stringify(kept)],
  )
  return rows.map(row => ({ ...rowOf(row, forms), lost: true }))
}

/**
 * Adds to the history the events of the server at `old` that `next` does not have, in streams that `next` has. It may have been written to
 * since the promotion.
 * @returns how many there are.
 */
export async function recordLost(old: string, next: Database, recorder: Recorder): Promise<number> {
  const kept = await stored(next)
  const ids = new Set(kept.map(({ eventId }) => eventId))
  const streams = new Set(kept.map(({ stream }) => stream))
  const pool = createPool(old, { max: 1, name: 'test', onError: () => undefined })
  try {
    const lost = (await stored(pool)).filter(
      ({ eventId, stream }) => !ids.has(eventId) && streams.has(stream),
    )
    for (const row of lost) recorder.write({ ...rowOf(row, WRITTEN), lost: true })
    return lost.length
  } finally {
    await pool.end()
  }
}

async function stored(pool: Database): Promise<Stored[]> {
  return (await pool.query<Stored>(`select ${COLUMNS} from ${EVENTS} order by s.id, e."position"`)).rows
}

/** The events of a stream up to a position, which retention is about to remove. */
export async function removedRows(
  pool: Database,
  stream: string,
  upTo: Position,
  forms: Forms,
): Promise<Row[]> {
  const { rows } = await pool.query<Stored>(
    `select ${COLUMNS} from ${EVENTS} and s.workspace || '/' || s.name = $1 and e."position" <= $2 order by e."position"`,
    [stream, upTo],
  )
  return rows.map(row => ({ ...rowOf(row, forms), removed: true }))
}

function rowOf({ stream, beforeId, ...stored }: Stored, forms: Forms): Row {
  const event = { ...stored, id: formatEventId(stored.position, stored.eventId) }
  const mark = markerIn(event.data)
  return {
    k: 'row',
    stream,
    id: event.id,
    after: formatEventId((event.position - 1) as Position, beforeId),
    type: event.type,
    h: hashesOf(event, forms),
    ...(mark !== undefined && { mark }),
  }
}
