/**
 * The dialect for runs: every message is unnamed, and its `type` says what it is. A snapshot comes first, `done`
 * last. Stored data is inserted into the message unchanged.
 */
import type { StoredEvent } from '../../log/event.js'
import { RESERVED_PREFIX } from '../../log/event-catalogue.js'
import type { SseMessage } from '../../sse/frame.js'
import { isTerminal } from '../job.js'
import { type Dialect, encodingOf, endingOf, frame, numbersOf } from './dialect.js'

/** The types that the stream itself sends; reported events of such a type are dropped. */
const OWN_TYPES: ReadonlySet<string> = new Set(['snapshot', 'done'])
const COUNTS = ['passed', 'failed', 'total', 'testsGenerated'] as const
/** Every JSON text with the key `type` contains one of these: written plainly, or with an escape. */
const MARKS_OF_TYPE = ['"type"', '\\u']

const dialect = {
  name: 'runs',
  heartbeatMs: 5_000,
  heartbeat: { comment: 'heartbeat' },
  message(event) {
    const { type, data } = event
    if (isTerminal(type)) return done(event)
    if (type === `${RESERVED_PREFIX}started`) return unnamed({ type: 'status', status: 'running' })
    if (type.startsWith(RESERVED_PREFIX) || OWN_TYPES.has(type)) return undefined
    return { data: typed(type, data) }
  },
  fault: ({ message, code }) => unnamed({ type: 'error', message, code }),
} satisfies Dialect

export const runs = encodingOf(dialect)

/**
 * @param run JSON text of an object.
 * @param id event id of the last event that it includes; without it, an interrupted client gets the snapshot again.
 */
export function runSnapshot(run: string, id: string | undefined): Buffer {
  return frame({ ...(id !== undefined && { id }), data: `{"type":"snapshot","run":${run}}` })
}

function done(event: StoredEvent): SseMessage {
  const { status, result } = endingOf(event)
  return unnamed({ type: 'done', status, ...numbersOf(result, COUNTS) })
}

function unnamed(message: object): SseMessage {
  return { data: JSON.stringify(message) }
}

/**
 * `data` with `type` as the first member. It replaces a `type` in the data, because a parser would take the last one.
 */
function typed(type: string, data: string): string {
  if (MARKS_OF_TYPE.some(mark => data.includes(mark))) {
    const members: object = JSON.parse(data)
    const own = { type }
    if (Object.hasOwn(members, 'type')) return JSON.stringify({ ...own, ...members, ...own })
  }
  const members = data.slice(data.indexOf('{') + 1)
  return `{"type":"${type}"${members.trimStart().startsWith('}') ? '' : ','}${members}`
}
