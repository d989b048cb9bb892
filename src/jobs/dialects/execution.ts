/**
 * Executions: jobs that an application drives and reports task by task. Reported events of the known types are validated;
 * events of other types pass through.
 */
import Type, { type Static, type TObject } from 'typebox'
import type { PlacedEvent } from '../../log/append-requests.js'
import { NewEvent } from '../../log/event.js'
import { Placed, placedOf } from '../../log/receipt.js'
import { describedAs } from '../../openapi/described.js'
import { Problem } from '../../problems/problem.js'
import { type Job, JobId, JobStatus, NewJob } from '../job.js'
import { numbersOf } from './dialect.js'
import { COUNTS } from './executions.js'

export const EXECUTION_KIND = 'execution'

const Name = Type.String({ minLength: 1, maxLength: 512 })
const Count = Type.Integer({ minimum: 0 })
const Milliseconds = Type.Number({ minimum: 0 })
const Progress = { progress: Count, total: Count }

/** The type of the event with which an application ends an execution, and its data. */
export const EXECUTION_COMPLETE = 'execution-complete'
export const ExecutionEnd = Type.Object(
  {
    status: Type.Enum(['completed', 'failed']),
    successful: Count,
    failed: Count,
    totalDuration: Milliseconds,
  },
  { additionalProperties: false },
)
export type ExecutionEnd = Static<typeof ExecutionEnd>

/** The data of the types that clients know. It may have further members. */
const SHAPES: Readonly<Record<string, TObject>> = {
  'task-start': Type.Object({ taskId: Name, taskTitle: Name, ...Progress }),
  'task-complete': Type.Object({ taskId: Name, status: Name, duration: Milliseconds, ...Progress }),
  'task-fail': Type.Object({ taskId: Name }),
  [EXECUTION_COMPLETE]: ExecutionEnd,
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
  { additionalProperties: false },
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
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

export const Execution = Type.Object({
  executionId: JobId,
  status: JobStatus,
  title: orNull(Type.String()),
  createdAt: Time,
  startedAt: orNull(Time),
  endedAt: orNull(Time),
  successful: Type.Optional(Count),
  failed: Type.Optional(Count),
  totalDuration: Type.Optional(Milliseconds),
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
  }
}

const { id, position, event_id: eventId, at } = Placed.properties
/** The place of a reported event, in the spelling of this dialect. */
export const PlacedInExecution = Type.Object({ id, position, eventId, at })

export function placedInExecution(event: PlacedEvent): Static<typeof PlacedInExecution> {
  const { event_id: eventId, ...place } = placedOf(event)
  return { ...place, eventId }
}
