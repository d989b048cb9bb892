/** The streams of the dialects as AsyncAPI describes them. docs/dialects.md explains each, with transcripts that tests compare. */
import Type, { type TSchema } from 'typebox'
import { EVENT_TYPE_PATTERN, EventData } from '../../log/event.js'
import { RedactedData } from '../../log/redacted-data.js'
import type { StreamChannel, StreamMessage } from '../../specifications/channel.js'
import { jobEventMessages } from '../../specifications/log-messages.js'
import { JobStatus } from '../job.js'
import { RUN_DONE, STREAM_COMPLETE } from '../stream-types.js'
import { SHAPES } from './execution.js'
import { Run } from './run-state.js'

const JOB = '7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'

const Text = (description: string) => Type.String({ description })
const Redacted = Type.Optional(
  Type.Literal(true, { description: 'An admin has erased the data of the end.' }),
)
const Id = Type.Optional(Text('The id of the job. Missing if an admin has erased the data.'))
const Fault = { message: Text('For people.'), code: Text('Stable: programs decide by it.') }
const FAULT = {
  message: 'The database cannot be reached. The stream goes on when it is back.',
  code: 'degraded',
}
const Reset = Type.Object({ reason: Text('`retention`, `history-lost` or `unknown-id`.') })

/** The only form of a dialect. */
function streamOf(
  channel: Omit<StreamChannel, 'forms'>,
  messages: () => readonly StreamMessage[],
): StreamChannel {
  const form = { suffix: '', title: 'Server-Sent Events', accept: 'text/event-stream', query: {} } as const
  return { ...channel, forms: () => [{ ...form, messages: messages() }] }
}

function named(
  dialect: string,
  event: string,
  summary: string,
  payload: TSchema,
  example: unknown,
  more: Pick<StreamMessage, 'ofLog'> = {},
): StreamMessage {
  return { key: `${dialect}.${event}`, event, summary, payload, example, ...more }
}

export const runnerJobChannel = streamOf(
  {
    name: 'runner-jobs',
    title: 'A job, for command lines',
    description:
      'Every event under its own name, then `stream.complete` and the end. A comment `ping` is the heartbeat.',
    operation: 'followRunnerJob',
  },
  () => [
    ...jobEventMessages(),
    named(
      'runner-jobs',
      'error',
      'A fault of the stream, never the end of the job.',
      Type.Object(Fault),
      FAULT,
    ),
    named(
      'runner-jobs',
      STREAM_COMPLETE,
      'The last message.',
      Type.Object({ job_id: Id, status: JobStatus }),
      { job_id: JOB, status: 'completed' },
      { ofLog: true },
    ),
  ],
)

const unnamed = (
  type: string | TSchema,
  summary: string,
  members: Readonly<Record<string, TSchema>>,
  example: object,
  more: Pick<StreamMessage, 'ofLog'> = { ofLog: true },
): StreamMessage => ({
  key: `runs.${typeof type === 'string' ? type : 'event'}`,
  summary,
  payload: Type.Object({ type: typeof type === 'string' ? Type.Literal(type) : type, ...members }),
  example: typeof type === 'string' ? { type, ...example } : example,
  ...more,
})
const Count = Type.Optional(Type.Number())
const AnyType = Type.String({ pattern: EVENT_TYPE_PATTERN })

export const runChannel = streamOf(
  {
    name: 'runs',
    title: 'A run',
    description:
      'The whole run first, then each change of it, then `done` and the end. No message has a name: `type` says what it is. A comment `heartbeat` is the heartbeat.',
    operation: 'followRun',
  },
  () => [
    unnamed('snapshot', 'The whole run.', { run: Run }, { run: { id: JOB, status: 'running' } }, {}),
    unnamed(
      'status',
      'The run has started, or has returned to the queue; or a reported status.',
      {},
      { status: 'running' },
    ),
    unnamed('log', 'A line of output.', { message: Type.String() }, { message: 'ok 1', line: 'ok 1' }),
    unnamed('result', 'A result.', { result: EventData }, { result: { test: 'adds', outcome: 'passed' } }),
    unnamed(
      'run.updated',
      'Fields of the run that have changed.',
      { run: EventData },
      { run: { currentStep: 'build' } },
    ),
    unnamed(
      AnyType,
      'An event of any other type that the executor has reported, with its data.',
      {},
      { type: 'progress', done: 1 },
    ),
    unnamed(
      RUN_DONE,
      'The last message.',
      {
        status: JobStatus,
        redacted: Redacted,
        passed: Count,
        failed: Count,
        total: Count,
        testsGenerated: Count,
      },
      { status: 'completed', passed: 1, failed: 0 },
    ),
    unnamed('error', 'A fault of the stream, never the end of the run.', Fault, FAULT, {}),
  ],
)

/** An event that the executor has reported. */
const reported: StreamMessage = {
  key: 'reported',
  summary: 'An event that the executor has reported: its own type is the name.',
  event: AnyType,
  payload: EventData,
  example: { line: 'ok 1', stream: 'stdout' },
  ofLog: true,
}

export const remoteCommandChannel = streamOf(
  {
    name: 'remote-commands',
    title: 'A command of a project',
    description:
      '`connected`, the output line by line, and how the command ended; then the end. A fault after which the stream goes on is a comment.',
    operation: 'followCommand',
  },
  () => [
    named(
      'remote-commands',
      'connected',
      'First, unless the client continues.',
      Type.Object({ stream_id: Type.String(), status: JobStatus }),
      { stream_id: JOB, status: 'queued' },
    ),
    reported,
    named(
      'remote-commands',
      'complete',
      'The last message: how the command ended.',
      Type.Object({
        exit_code: Type.Integer(),
        duration_ms: Type.Integer({ minimum: 0 }),
        reason: Type.Optional(Type.String()),
        signal: Type.Optional(Type.String()),
        redacted: Redacted,
      }),
      { exit_code: 0, duration_ms: 1_234 },
      { ofLog: true },
    ),
    named(
      'remote-commands',
      'error',
      'The last message for a command that was never started.',
      Type.Object({ message: Type.String() }),
      { message: 'The command was cancelled before it started.' },
      { ofLog: true },
    ),
    named('remote-commands', 'heartbeat', 'Every 15 seconds.', Type.Object({}), {}),
    named('remote-commands', 'reset', 'Events are missing here.', Reset, { reason: 'retention' }),
  ],
)

const task = (type: string, summary: string, example: object): StreamMessage =>
  named('executions', type, summary, Type.Union([SHAPES[type] ?? EventData, RedactedData]), example, {
    ofLog: true,
  })

export const executionChannel = streamOf(
  {
    name: 'executions',
    title: 'An execution',
    description:
      'The execution starts, its tasks start and end, and it completes or is cancelled; then the end. A comment `heartbeat` is the heartbeat. A fault after which the stream goes on is a comment too.',
    operation: 'followExecution',
  },
  () => [
    named(
      'executions',
      'execution-start',
      'First.',
      Type.Object({ executionId: Id }),
      { executionId: JOB },
      { ofLog: true },
    ),
    task('task-start', 'A task has started.', { taskId: 't1', taskTitle: 'Build', progress: 0, total: 2 }),
    task('task-complete', 'A task has ended.', { taskId: 't1', status: 'completed', duration: 1_200 }),
    task('task-fail', 'A task has failed.', { taskId: 't2', error: 'No disk space' }),
    reported,
    named(
      'executions',
      'execution-complete',
      'The last message, with all that was reported as the end.',
      Type.Object({ executionId: Id, status: Type.String() }),
      { executionId: JOB, status: 'completed', successful: 1, failed: 1 },
      { ofLog: true },
    ),
    named(
      'executions',
      'execution-cancelled',
      'The last message of an execution that was cancelled.',
      Type.Object({ executionId: Id }),
      { executionId: JOB },
      { ofLog: true },
    ),
    named('executions', 'reset', 'Events are missing here.', Reset, { reason: 'retention' }),
  ],
)
