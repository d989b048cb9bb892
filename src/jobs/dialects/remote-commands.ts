/**
 * The dialect for remote commands: `connected`, lines of output, other events under their own names, and how the command
 * ended. Its clients take `error` for the end of the command, so no fault of the stream is an `error`. Many of them read
 * lines of at most 64 KiB, so no event is longer than 60 KiB.
 */
import type { StoredEvent } from '../../log/event.js'
import { isJobStatusType } from '../../log/event-catalogue.js'
import type { Encoding } from '../../sse/encoding.js'
import type { SseMessage } from '../../sse/frame.js'
import { isTerminal, type Job } from '../job.js'
import { outcomeOf } from './command-outcome.js'
import type { WorkspaceStarts } from './command-starts.js'
import { type Dialect, encodingOf, endingOf, frame, named, silentFault } from './dialect.js'
import { shortened } from './short-data.js'

/** All fields of an event together, as they are sent. */
export const MAX_EVENT_BYTES = 60 * 1024
const OTHER_FIELDS_BYTES = 256

/** The messages of the stream itself; reported events of such a type are not shown. */
const OWN_TYPES: ReadonlySet<string> = new Set(['connected', 'complete', 'error', 'heartbeat', 'reset'])

/** @param starts of the workspace whose commands are followed with this encoding. All encodings of a workspace share them. */
export function remoteCommandsOf(starts: WorkspaceStarts): Encoding {
  const dialect = {
    name: 'remote-commands',
    heartbeatMs: 15_000,
    heartbeat: named('heartbeat', {}),
    message(event) {
      const said = isJobStatusType(event.type) ? ofJob(event, starts) : reported(event)
      if (said?.data === undefined) return said
      return { ...said, data: shortened(said.data, MAX_EVENT_BYTES - OTHER_FIELDS_BYTES) }
    },
    fault: silentFault,
  } satisfies Dialect
  return encodingOf(dialect)
}

export function connected({ id, status }: Job): Buffer {
  return frame(named('connected', { stream_id: id, status }))
}

function reported({ type, data }: StoredEvent): SseMessage | undefined {
  return OWN_TYPES.has(type) ? undefined : { event: type, data }
}

/** Of the events about the job itself, clients receive only the end. */
function ofJob(event: StoredEvent, starts: WorkspaceStarts): SseMessage | undefined {
  const { type } = event
  const at = event.at.getTime()
  const ending = endingOf(event)
  const { job_id: id, attempt } = ending
  if (id === undefined || attempt === undefined) return isTerminal(type) ? outcomeOf(ending, 0) : undefined
  if (isTerminal(type)) return outcomeOf(ending, starts.ranMs(id, attempt, at))
  if (type === 'job.started') starts.note(id, attempt, at)
  if (type === 'job.requeued') starts.note(id, attempt, undefined)
  return undefined
}
