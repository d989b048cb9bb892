/**
 * Executions: jobs that an application drives and reports task by task. Events pass through as they are reported. Of the types
 * that clients know, the members by which clients work are checked.
 */
import Type, { type Static, type TObject } from 'typebox'
import type { PlacedEvent } from '../../log/append-request.js'
import { NewEvent } from '../../log/event.js'
import { Placed, placedOf } from '../../log/receipt.js'
import { describedAs } from '../../openapi/described.js'
import { orNull } from '../../openapi/or-null.js'
import { Problem } from '../../problems/problem.js'
import { EXECUTION_KIND, type Job, JobId, JobStatus, NewJob, Result } from '../job.js'
import { numbersOf } from './dialect.js'

/** The numbers of the result that a client finds beside the status. */
const COUNTS = ['successful', 'failed', 'totalDuration'] as const

const Name = Type.String({ minLength: 1, maxLength: 512 })
const Amount = Type.Optional(Type.Number({ minimum: 0 }))
const Progress = { progress: Amount, total: Amount }

/** The type of the event with which an application ends an execution, and its data. */
export const EXECUTION_COMPLETE = 'execution-complete'
const ExecutionEnd = Type.Object({ status: Name })
type ExecutionEnd = Static<typeof ExecutionEnd>

/** The data of the types that clients know. It may have further members. */
export const SHAPES: Readonly<Record<string, TObject>> = {
  'task-start': Type.Object({ taskId: Name, ...Progress }),
  'task-complete': Type.Object({ taskId: Name, duration: Amount, ...Progress }),
  'task-fail': Type.Object({ taskId: Name }),
  [EXECUTION_COMPLETE]: ExecutionEnd,
}

/** The words with which orchestrators report that an execution has not done its work. */
const FAILING: readonly string[] = [
  ...['failed', 'failure', 'fail', 'error', 'errored'],
  ...['cancelled', 'canceled', 'interrupted', 'timeout', 'timed-out', 'timed_out'],
]

/** The status of the job of an execution that ends with this data; the data itself is its result, as it came. */
export function endOf(data: NewEvent['data']): 'completed' | 'failed' | 'aborted' {
  const status = (data as ExecutionEnd).status.toLowerCase()
  if (status === 'aborted') return status
  return FAILING.includes(status) ? 'failed' : 'completed'
}

/** Not a union, whose validator would also report the faults of all other types. */
export const ExecutionEvent = describedAs(
  Type.Unsafe<NewEvent>({
    ...NewEvent,
    allOf: Object.entries(SHAPES).map(([type, data]) => ({
      if: { properties: { type: { const: type } }, required: ['type'] },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own keyword.
      then: { properties: { data } },
    })),
  }),
  NewEvent,
)

const { id: executionId, title, payload } = NewJob.properties
export const NewExecution = Type.Object(
  {
    executionId,
    id: Type.Optional({ ...JobId, description: 'Another name for `executionId`.' }),
    title,
    payload,
  },
  { additionalProperties: false, examples: [{ executionId: 'exec-1234567890', title: 'Release 7' }] },
)
export type NewExecution = Static<typeof NewExecution>

/** @throws {Problem} 400 `invalid-request` for two ids. */
export function jobOfExecution({ executionId, id = executionId, ...content }: NewExecution): NewJob {
  if (executionId !== undefined && id !== executionId) {
    throw new Problem(400, 'invalid-request', 'executionId and id differ. Send one of them.')
  }
  return { kind: EXECUTION_KIND, ...content, ...(id !== undefined && { id }) }
}

const Time = Type.String({ format: 'date-time' })

export const Execution = Type.Object({
  executionId: JobId,
  status: JobStatus,
  title: orNull(Type.String()),
  createdAt: Time,
  startedAt: orNull(Time),
  endedAt: orNull(Time),
  successful: Amount,
  failed: Amount,
  totalDuration: Amount,
  result: orNull({ ...Result, description: 'The data of `execution-complete`, as it came.' }),
})
export type Execution = Static<typeof Execution>

export function executionOf(job: Job): Execution {
  const { id, status, title, created_at, started_at, ended_at, result } = job
  return {
    executionId: id,
    status,
    title,
    createdAt: created_at,
    startedAt: started_at,
    endedAt: ended_at,
    ...numbersOf(result, COUNTS),
    result,
  }
}

const { id, position, event_id: eventId, at } = Placed.properties
/** The place of a reported event, in the spelling of this dialect. */
export const PlacedInExecution = Type.Object({ id, position, eventId, at })

export function placedInExecution(event: PlacedEvent): Static<typeof PlacedInExecution> {
  const { event_id: eventId, ...place } = placedOf(event)
  return { ...place, eventId }
}
