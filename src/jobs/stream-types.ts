/**
 * The types of messages with which a stream speaks about the job itself. A report of such a type is refused, because a client
 * could not tell it from the stream's own message, and the stream shows every event that the gateway accepts.
 *
 * Which types these are depends on the kind of the job, because commands and executions can only be followed in dialects of
 * their own. A run can be a job of any kind: its dialect renames `done` of other kinds.
 */
import type { NewEvent } from '../log/event.js'
import { Problem } from '../problems/problem.js'
import { COMMAND_KIND } from './job.js'

/** The last message of a job of any kind, for command lines. */
export const STREAM_COMPLETE = 'stream.complete'
/** The last message of a run. */
export const RUN_DONE = 'done'

const EVERY_KIND: readonly string[] = [STREAM_COMPLETE]
const BY_KIND: Readonly<Record<string, readonly string[]>> = {
  run: [RUN_DONE],
  [COMMAND_KIND]: ['connected', 'complete'],
  execution: ['execution-start', 'execution-complete', 'execution-cancelled'],
}
const SOME_KIND = new Set(Object.values(BY_KIND).flat())

/** Whether the kind of a job decides if it may report this event. */
export function dependsOnKind({ type }: NewEvent): boolean {
  return SOME_KIND.has(type)
}

/**
 * @param kind of the job; without it, only types that no job may report are refused.
 * @throws {Problem} 400 `reserved-type`.
 */
export function assertReportable({ type }: NewEvent, kind?: string): void {
  const own = EVERY_KIND.includes(type) || (kind !== undefined && BY_KIND[kind]?.includes(type))
  if (!own) return
  const detail =
    `Streams send ${type} themselves to report the state of the job. ` +
    'Report events of other types, and the end of the job with its own request.'
  throw new Problem(400, 'reserved-type', detail)
}
