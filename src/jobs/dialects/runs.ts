/**
 * The dialect for runs: every message is unnamed, and its `type` says what it is. A snapshot comes first, `done` last. Reported
 * data is inserted into the message unchanged, and members are added where clients need one shape, however it was reported.
 */
import type { StoredEvent } from '../../log/event.js'
import { isRedacted } from '../../log/redacted-data.js'
import type { SseMessage } from '../../sse/frame.js'
import { isTerminal } from '../job.js'
import { RUN_DONE } from '../stream-types.js'
import { type Dialect, encodingOf, endingOf, frame, numbersOf } from './dialect.js'
import { type Members, resultOf, textOf, updateOf } from './run-reports.js'

/** Types of output lines: the executor's own lines, or those of a command. */
export const LOG_TYPES: readonly string[] = ['log', 'output']
/** Types that update the fields of a run. */
export const UPDATE_TYPES: readonly string[] = ['snapshot', 'run.updated', 'status']

const COUNTS = ['passed', 'failed', 'total', 'testsGenerated'] as const
/** Every JSON text with the key `type` contains one of these: written plainly, or with an escape. */
const MARKS_OF_TYPE = ['"type"', '\\u']

const dialect = {
  name: 'runs',
  heartbeatMs: 5_000,
  heartbeat: { comment: 'heartbeat' },
  message(event) {
    const { type } = event
    if (isTerminal(type)) return done(event)
    switch (type) {
      // The snapshot has its content.
      case 'job.created':
        return undefined
      case 'job.started':
        return unnamed({ type: 'status', status: 'running' })
      case 'job.requeued':
        return unnamed({ type: 'status', status: 'queued' })
      default:
        return { data: reported(event) }
    }
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
  const { status, result, redacted } = endingOf(event)
  return unnamed({ type: RUN_DONE, status, ...(redacted && { redacted }), ...numbersOf(result, COUNTS) })
}

function unnamed(message: object): SseMessage {
  return { data: JSON.stringify(message) }
}

function reported({ type, data }: StoredEvent): string {
  if (LOG_TYPES.includes(type)) {
    const log: Members = JSON.parse(data)
    return withMembers(
      { type: 'log', ...(typeof log.message !== 'string' && { message: textOf(log) }) },
      log,
      data,
    )
  }
  switch (type) {
    case 'result': {
      const result: Members = JSON.parse(data)
      const content = resultOf(result)
      return withMembers({ type, ...(content !== result.result && { result: content }) }, result, data)
    }
    // Not as a snapshot: it may have a few fields only, and clients replace their whole state with a snapshot.
    case 'snapshot':
    case 'run.updated':
      return JSON.stringify({
        type: 'run.updated',
        run: Object.fromEntries(updateOf(type, JSON.parse(data))),
      })
    // The data that replaced a redacted one is not a field of the run.
    case 'status':
      return typed(type, data.includes('"redacted"') && isRedacted(JSON.parse(data)) ? '{}' : data)
    // Only the end of the stream is `done`. A run may not report it; other kinds of jobs may.
    case RUN_DONE:
      return typed('reported.done', data)
    default:
      return typed(type, data)
  }
}

function typed(type: string, data: string): string {
  const members: Members = MARKS_OF_TYPE.some(mark => data.includes(mark)) ? JSON.parse(data) : {}
  return withMembers({ type }, members, data)
}

/** `data` with the members `own` first. They replace members of these names, because a parser would take the last one. */
function withMembers(own: Members, members: Members, data: string): string {
  if (Object.keys(own).some(name => Object.hasOwn(members, name))) {
    return JSON.stringify({ ...own, ...members, ...own })
  }
  const rest = data.slice(data.indexOf('{') + 1)
  return `${JSON.stringify(own).slice(0, -1)}${rest.trimStart().startsWith('}') ? '' : ','}${rest}`
}
