/**
 * The one definition of a job: the schemas that routes validate and serialise with, their types, and the
 * limits that migrations/0010_jobs.sql enforces as well.
 */
import Type, { type Static } from 'typebox'
import { RESERVED_PREFIX } from '../log/event-catalogue.js'
import { asLine, FORM } from '../openapi/described.js'
import { orNull } from '../openapi/or-null.js'

export const MAX_PAYLOAD_BYTES = 64 * 1024
export const MAX_PAYLOAD_DEPTH = 32
const MIN_LEASE_MS = 5_000
const MAX_LEASE_MS = 300_000
export const DEFAULT_LEASE_MS = 30_000
const MAX_CLAIM_WAIT_MS = 30_000
const MAX_TIMEOUT_MS = 86_400_000
const MAX_FILTERS = 100

/** The kind of jobs that execute a command: `sluice runner` claims them, and the audit log records them. */
export const COMMAND_KIND = 'command'
/** The kind of jobs that an application drives and reports task by task (dialects/execution.ts). */
export const EXECUTION_KIND = 'execution'
/** Prefix of the name of a job's stream. Only calls on the job write to that stream. */
const JOB_STREAM_PREFIX = 'job:'

export const ENDED = ['completed', 'failed', 'cancelled', 'aborted', 'interrupted'] as const
const STATUSES = ['queued', 'running', ...ENDED] as const

export function jobStream(id: string): string {
  return `${JOB_STREAM_PREFIX}${id}`
}

/** The id of the job whose stream has this name; undefined for another stream. */
export function jobOfStream(name: string): string | undefined {
  return name.startsWith(JOB_STREAM_PREFIX) ? name.slice(JOB_STREAM_PREFIX.length) : undefined
}

/** Whether an event of this type is the last of a job's stream. */
export function isTerminal(type: string): boolean {
  return endIn(type) !== undefined
}

/** The status that an event of this type reports as the last one; undefined for another event. */
export function endIn(type: string): (typeof ENDED)[number] | undefined {
  return ENDED.find(status => type === `${RESERVED_PREFIX}${status}`)
}

const Line = (maxLength: number, description: string, example: string) =>
  asLine(Type.String({ minLength: 1, maxLength, description, examples: [example] }))

/** Also in migrations/0018_own_job_ids.sql. A URL cannot name `.` or `..`: clients resolve them as parts of the path. */
export const JobId = Type.String({
  pattern: '^(\\.?[A-Za-z0-9_:-]|\\.\\.[A-Za-z0-9._:-])[A-Za-z0-9._:-]*$',
  [FORM]: '1 to 128 characters of A-Z a-z 0-9 . _ : - (. and .. are no ids)',
  maxLength: 128,
  description: 'The id of a job.',
  examples: ['7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22', 'exec-1234567890'],
})
const OwnId = {
  ...JobId,
  description:
    'The id of the job: 1 to 128 characters of `A-Z a-z 0-9 . _ : -`, but neither `.` nor `..`. Unique in the workspace. ' +
    'Default: a UUID.',
}
export const JobStatus = Type.Enum(STATUSES, { description: 'The status of a job.' })
export type JobStatus = Static<typeof JobStatus>
export const JobKind = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,31}$',
  [FORM]: 'a lower-case letter and up to 31 characters of a-z 0-9 -',
  description: 'What is to be executed: runners claim jobs by kind.',
  examples: ['command'],
})
export const JobProject = Line(
  128,
  'The project that the job belongs to; runners can claim by project.',
  'website',
)
const Title = Line(512, 'A title for people.', 'npm test')
const RunnerName = Line(128, 'A name of the runner for people; its token identifies it.', 'build-7')

// A bare Record serialises the keys that match /^.*$/ and loses those with a line break.
const Payload = Type.Record(Type.String(), Type.Unknown(), {
  additionalProperties: true,
  description: `The input of the job: a JSON object of at most ${MAX_PAYLOAD_BYTES} bytes and ${MAX_PAYLOAD_DEPTH} levels.`,
  examples: [{ command: 'npm test' }],
})
export const Result = Type.Record(Type.String(), Type.Unknown(), {
  additionalProperties: true,
  description: `A JSON object of at most ${MAX_PAYLOAD_BYTES} bytes and ${MAX_PAYLOAD_DEPTH} levels.`,
  examples: [{ exit_code: 0 }],
})
const Priority = Type.Integer({
  minimum: 0,
  maximum: 9,
  description: 'Higher priorities are claimed first. Default 0.',
})
const MaxAttempts = Type.Integer({
  minimum: 1,
  maximum: 10,
  description:
    'How many attempts a job has: if the lease of the last one expires, the job is interrupted. Default 3.',
})
const Timeout = Type.Integer({
  minimum: 1,
  maximum: MAX_TIMEOUT_MS,
  description: 'The time limit of an attempt in milliseconds. Default: none.',
})
/**
 * The fence of a report. `holder` is the principal of a runner, which may only report on jobs that it has claimed. Without a
 * holder the caller may change every job, and an attempt that it names must be the current one.
 */
export interface Fence {
  readonly attempt?: number | undefined
  readonly holder?: string | undefined
}

export const Attempt = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })
const Time = Type.String({ format: 'date-time' })

export const Job = Type.Object(
  {
    id: JobId,
    kind: JobKind,
    project: orNull(JobProject),
    title: orNull(Title),
    payload: Payload,
    priority: Priority,
    status: JobStatus,
    result: orNull(Result),
    attempt: Type.Integer({
      description: 'The number of times the job was claimed or started; 0 before the first.',
    }),
    max_attempts: MaxAttempts,
    timeout_ms: orNull(Timeout),
    runner: orNull(Type.String({ description: 'The name of the runner that has the job, or had it last.' })),
    lease_expires_at: orNull(Time),
    created_by: Type.String({ description: 'The principal that created the job.' }),
    created_at: Time,
    started_at: orNull(
      Type.String({ format: 'date-time', description: 'When the current or last attempt started.' }),
    ),
    ended_at: orNull(Time),
  },
  { title: 'Job' },
)
export type Job = Static<typeof Job>

/** A job as the runner gets it that claims it, with the place where the project of a command wants it executed. */
export const ClaimedJob = Type.Object(
  {
    ...Job.properties,
    executor: orNull(Type.String({ description: 'The `executor` of the project, if it names one.' })),
    image: orNull(Type.String({ description: 'The `image` of the project, if it names one.' })),
    traceparent: orNull(
      Type.String({
        description: 'The trace in which it was created (W3C Trace Context), if its creator named one.',
      }),
    ),
  },
  { title: 'ClaimedJob' },
)
export type ClaimedJob = Static<typeof ClaimedJob>

export const NewJob = Type.Object(
  {
    id: Type.Optional(OwnId),
    kind: JobKind,
    project: Type.Optional(orNull(JobProject)),
    title: Type.Optional(orNull(Title)),
    payload: Type.Optional(Payload),
    priority: Type.Optional(Priority),
    max_attempts: Type.Optional(MaxAttempts),
    timeout_ms: Type.Optional(orNull(Timeout)),
  },
  { additionalProperties: false },
)
export type NewJob = Static<typeof NewJob>

export const JobEnd = Type.Object(
  { result: Type.Optional(orNull(Result)) },
  { additionalProperties: false, examples: [{ result: { exit_code: 0 } }] },
)
export type JobEnd = Static<typeof JobEnd>

const LeaseMs = Type.Integer({
  minimum: MIN_LEASE_MS,
  maximum: MAX_LEASE_MS,
  description: `How long the runner keeps the job without a further heartbeat, in milliseconds. Default ${DEFAULT_LEASE_MS}.`,
})

export const Claim = Type.Object(
  {
    runner: RunnerName,
    projects: Type.Optional(
      Type.Array(JobProject, {
        minItems: 1,
        maxItems: MAX_FILTERS,
        description: 'Claims jobs of these projects only. Default: all jobs, also without a project.',
      }),
    ),
    kinds: Type.Optional(
      Type.Array(JobKind, {
        minItems: 1,
        maxItems: MAX_FILTERS,
        description: 'Claims jobs of these kinds only. Default: all kinds.',
      }),
    ),
    lease_ms: Type.Optional(LeaseMs),
    wait_ms: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_CLAIM_WAIT_MS,
        description: 'How long to wait for a job if there is none, in milliseconds. Default 0.',
      }),
    ),
  },
  { additionalProperties: false, examples: [{ runner: 'build-7', kinds: ['command'], wait_ms: 1_000 }] },
)
export type Claim = Static<typeof Claim>

export const Heartbeat = Type.Object(
  { attempt: Attempt, lease_ms: Type.Optional(LeaseMs) },
  { additionalProperties: false, examples: [{ attempt: 1 }] },
)
export type Heartbeat = Static<typeof Heartbeat>
