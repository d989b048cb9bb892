/** The events as the table holds them, and how a client's copy of them differs. */
import type { Database } from '../../src/database/pool.js'
import type { Position } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'
import type { Received, Wanderer } from './wanderer.js'

interface Row {
  readonly stream: string
  readonly position: Position
  readonly id: string
  readonly eventId: string
  readonly type: string
  readonly data: string
  readonly at: Date
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

/** The first place at which what a client received is not what the table holds after the client's beginning. */
export function differenceOf({ options, began, received }: Wanderer, logs: Logs): string | undefined {
  const log = logs.get(`${options.workspace}/${options.stream}`) ?? []
  const after = Number.parseInt(began ?? '', 10)
  const wanted = log.filter(({ position, type }) => position > after && matches(type, options.types))
  const due = wanted.map(row => writtenAs(row, options.form))
  const had = received.map(written)
  const place = due.findIndex((text, index) => text !== had[index])
  if (place < 0 && had.length === due.length) return undefined
  const at = place < 0 ? due.length : place
  return `after ${began}, place ${at} of ${due.length} (${had.length} came): ${clip(due[at])} was due, ${clip(had[at])} came`
}

function matches(type: string, filter: readonly string[] | undefined): boolean {
  return (
    filter?.some(name => (name.endsWith('*') ? type.startsWith(name.slice(0, -1)) : type === name)) ?? true
  )
}

/** docs/protocol.md: of SSE the parts, line ends as an SSE parser gives them; of NDJSON the line. */
function writtenAs({ id, position, type, at, eventId, data }: Row, form: string): string {
  if (form === 'text/event-stream') return `${id} ${type} ${data.replace(/\r\n|\r/g, '\n')}`
  const line = data.replace(/[\r\n]+/g, ' ')
  return `{"id":"${id}","position":${position},"type":"${type}","at":"${at.toISOString()}","event_id":"${eventId}","data":${line}}`
}

function written(received: Received): string {
  return 'line' in received ? received.line : `${received.id} ${received.type} ${received.data}`
}

function clip(text: string | undefined): string {
  return text === undefined ? 'nothing' : text.slice(0, 120)
}
