/** The events as the table holds them. */
import type { Database } from '../../src/database/pool.js'
import { formatEventId } from '../../src/log/event-id.js'
import type { TableEvent } from '../checker/recorded-table.js'

interface Row extends TableEvent {
  readonly stream: string
}
/** Of each stream, by `<workspace>/<name>`. */
export type Logs = ReadonlyMap<string, readonly Row[]>

export async function readLogs(pool: Database): Promise<Logs> {
  const { rows } = await pool.query<Row>(
    `select s.workspace || '/' || s.name as stream, e."position", e.event_id as "eventId", e.type, e.data, e.at
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace <> '$system' order by s.id, e."position"`,
  )
  const logs = new Map<string, Row[]>()
  for (const row of rows) {
    const log = logs.get(row.stream) ?? []
    logs.set(row.stream, log)
    log.push({ ...row, id: formatEventId(row.position, row.eventId) })
  }
  return logs
}
