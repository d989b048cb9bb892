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

/** The ids of the events of a server that takes the place of another one: what the other one has besides them is lost. */
export async function idsOf(pool: Database): Promise<ReadonlySet<string>> {
  const { rows } = await pool.query<{ id: string }>(`select e.event_id as id from ${EVENTS}`)
  return new Set(rows.map(({ id }) => id))
}

/**
 * The events of a server that another one, which takes its place, does not have.
 * @param kept of that one; taken before retention has removed any of them.
 */
export async function lostRows(old: Database, kept: ReadonlySet<string>, forms: Forms): Promise<Row[]> {
  const lost = [...(await idsOf(old))].filter(id => !kept.has(id))
  const { rows } = await old.query<Stored>(
    `select ${COLUMNS} from ${EVENTS} and e.event_id = any($1::uuid[]) order by s.id, e."position"`,
    [lost],
  )
  return rows.map(row => ({ ...rowOf(row, forms), lost: true }))
}

/**
 * Adds to the history the events of the server at `old` that `next` does not have.
 * @returns how many there are.
 */
export async function recordLost(
  old: string,
  next: Database,
  recorder: Pick<Recorder, 'write'>,
): Promise<number> {
  const pool = createPool(old, { max: 1, name: 'test', onError: () => undefined })
  try {
    const rows = await lostRows(pool, await idsOf(next), WRITTEN)
    for (const row of rows) recorder.write(row)
    return rows.length
  } finally {
    await pool.end()
  }
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
