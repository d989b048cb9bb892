/**
 * The common part of the dialects of job streams. A dialect defines its message for an event, for a fault and as a
 * heartbeat; everything else is common: every event carries its id, the terminal event is the last one, and the
 * response ends after it.
 */
import type { StoredEvent } from '../../log/event.js'
import { formatEventId } from '../../log/event-id.js'
import { isRedacted } from '../../log/redacted-data.js'
import type { Encoding, Notice } from '../../sse/encoding.js'
import { encodeMessage, retryField, type SseMessage } from '../../sse/frame.js'
import { endIn, isTerminal, type Job } from '../job.js'

export interface Dialect {
  /** The key of this dialect's shared encodings. */
  readonly name: string
  readonly heartbeatMs: number
  readonly heartbeat: SseMessage
  /** The message for an event; undefined if clients do not receive it. Its id is added. */
  message(event: StoredEvent): SseMessage | undefined
  /** The message for a fault of the stream, not of the job. */
  fault(fault: Fault): SseMessage
  /** The message after the terminal event; default none. */
  farewell?(event: StoredEvent): SseMessage
}

export interface Fault {
  /** Text for people. */
  readonly message: string
  /** Stable, kebab-case. */
  readonly code: string
  /** Whether the client misses events: the code is the reason of a `reset`. */
  readonly lost?: true
}

/** The data of a terminal event (migrations/0010_jobs.sql). A redacted one has only its status and, as the result, what replaced it. */
export interface Ending extends Pick<Job, 'status' | 'result'>, Partial<Pick<Job, 'attempt'>> {
  readonly job_id?: string
  readonly redacted?: true
}

const HIDDEN = Buffer.alloc(0)
const NOTHING = Buffer.alloc(0)

/** The encoding of a dialect. */
export function encodingOf({ message, heartbeat, fault, farewell, ...rest }: Dialect): Encoding {
  const comment = heartbeat.data === undefined
  /** Encoded once per terminal event, whose result may be long, not once per client. */
  const farewells = new WeakMap<StoredEvent, Buffer>()
  function closing(event: StoredEvent): Buffer | undefined {
    if (!isTerminal(event.type)) return undefined
    const known = farewells.get(event)
    if (known) return known
    const id = formatEventId(event.position, event.eventId)
    const said = farewell ? frame({ ...farewell(event), id }) : NOTHING
    farewells.set(event, said)
    return said
  }
  return {
    ...rest,
    contentType: 'text/event-stream',
    event(event) {
      const said = message(event)
      const id = formatEventId(event.position, event.eventId)
      return said === undefined ? HIDDEN : frame({ ...said, id })
    },
    notice(notice) {
      const place = notice.id === undefined ? {} : { id: notice.id }
      if (notice.name === 'heartbeat') return frame(comment ? heartbeat : { ...heartbeat, ...place })
      const found = faultIn(notice)
      return found && frame({ ...fault(found), ...place })
    },
    // A heartbeat that is an event already has the id.
    cursor: id => (comment ? frame({ id }) : undefined),
    retry: retryField,
    closing,
  }
}

/** A named event with JSON data. */
export function named(event: string, data: object): SseMessage {
  return { event, data: JSON.stringify(data) }
}

/**
 * A fault for clients that take an event `error` for the end of the job: a comment, which no client acts on. After it the
 * stream goes on, or the response ends and the client reconnects. Only if events are lost does the client receive an event,
 * `reset`, because nothing else would show it.
 */
export function silentFault({ message, code, lost }: Fault): SseMessage {
  return { comment: message, ...(lost && named('reset', { reason: code })) }
}

export function frame(message: SseMessage): Buffer {
  return Buffer.from(encodeMessage(message))
}

/** @param event a terminal one, or another one about the status of the job. */
export function endingOf({ type, data }: StoredEvent): Ending {
  const ending = JSON.parse(data)
  return isRedacted(ending) ? { status: endIn(type) ?? 'running', result: ending, redacted: true } : ending
}

/** The given members whose values are numbers, in their order. */
export function numbersOf(result: Job['result'], members: readonly string[]): Record<string, number> {
  const known = members.map(member => [member, result?.[member]] as const)
  return Object.fromEntries(known.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}

const REFUSALS: Readonly<Record<string, string>> = {
  draining: 'This gateway is stopping',
  limit: 'Too many clients follow',
  database: 'The database cannot be reached',
}

function faultIn(notice: Notice): Fault | undefined {
  switch (notice.name) {
    case 'error':
      return notice.data
    case 'reset':
      return {
        message: 'Events are missing here: the log does not go on after the last one. Load the state again.',
        code: notice.data.reason,
        lost: true,
      }
    case 'unavailable': {
      const { reason } = notice.data
      return {
        message: `${REFUSALS[reason] ?? 'No stream can be opened'}. Come back in a moment.`,
        code: reason,
      }
    }
    case 'auth-expired':
      return { message: 'The credentials have expired. Come back with new ones.', code: notice.name }
    case 'auth-revoked':
      return { message: 'The credentials have been revoked. Come back with other ones.', code: notice.name }
    case 'server.state':
      // The other modes do not concern the stream.
      return notice.data.mode === 'degraded'
        ? { message: 'The database cannot be reached. The stream goes on when it is back.', code: 'degraded' }
        : undefined
    case 'heartbeat':
    case 'auth-renewed':
    case 'cursor':
    case 'snapshot':
      return undefined
  }
}
