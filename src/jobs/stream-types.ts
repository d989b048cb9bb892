/**
 * The types of messages with which a stream speaks about the job itself. A report of such a type is refused, because a client
 * could not tell it from the stream's own message, and the stream shows every event that the gateway accepts.
 *
 * Which types these are depends on the kind of the job, because the dialects of commands and executions show only jobs of
 * their kind. A run can be a job of any kind: its dialect renames `done` of other kinds. migrations/0020_reported_types.sql
 * refuses the same types, except those of one dialect.
 */
import type { NewEvent } from '../log/event.js'
import { isJobStatusType } from '../log/event-catalogue.js'
import { refuseNotice } from '../log/new-event.js'
import { Problem } from '../problems/problem.js'
import { COMMAND_KIND, EXECUTION_KIND } from './job.js'

/** The last message of a job of any kind, for command lines. */
export const STREAM_COMPLETE = 'stream.complete'
/** The last message of a run. */
export const RUN_DONE = 'done'

const EVERY_KIND: readonly string[] = [STREAM_COMPLETE]
const BY_KIND: Readonly<Record<string, readonly string[]>> = {
  run: [RUN_DONE],
  [COMMAND_KIND]: ['connected', 'complete'],
  [EXECUTION_KIND]: ['execution-start', 'execution-complete', 'execution-cancelled'],
}
/**
 * Names that an EventSource dispatches itself, and heartbeats: executions may report them, because orchestrators do. The stream
 * of an execution sends no other message of these names. In other dialects an event differs from a fault by the id of its own.
 */
const FREE_IN_EXECUTIONS: readonly string[] = ['open', 'error', 'message', 'heartbeat']
const SOME_KIND = new Set([...Object.values(BY_KIND).flat(), ...FREE_IN_EXECUTIONS])

/** Whether the kind of a job decides if it may report this event. */
export function dependsOnKind({ type }: NewEvent): boolean {
  return SOME_KIND.has(type)
}

/**
 * @param kind of the job; it may be left out unless `dependsOnKind`.
 * @throws {Problem} 400 `reserved-type`.
 */
export function assertReportable(event: NewEvent, kind?: string): void {
  const { type } = event
  if (kind !== EXECUTION_KIND || !FREE_IN_EXECUTIONS.includes(type)) refuseNotice(event)
  const own =
    isJobStatusType(type) ||
    EVERY_KIND.includes(type) ||
    (kind !== undefined && BY_KIND[kind]?.includes(type))
  if (!own) return
  const detail =
    `Streams send ${type} themselves to report the status of the job. ` +
    'Report events of other types, and the end of the job with its own request.'
  throw new Problem(400, 'reserved-type', detail)
}
