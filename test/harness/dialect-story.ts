/** For each dialect a job with a typical life, driven as its runner or orchestrator would, and where to watch it. */
import type { FastifyInstance } from 'fastify'
import { type Job, jobStream, type NewJob } from '../../src/jobs/job.js'
import type { Position } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'

export const EDITOR = { id: 'ada', workspace: 'acme' }
export const RUNNER = { id: 'build-7', workspace: 'acme' }

export interface Story {
  readonly name: string
  /** The path of its stream. */
  readonly path: (id: string) => string
  readonly job: NewJob
  /** Executed without a runner. */
  readonly started?: true
  /** Its events while it runs. */
  readonly events: readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[]
  readonly result: Readonly<Record<string, unknown>>
}

export const STORIES = {
  job: {
    name: 'job',
    path: id => `/api/jobs/${id}/events`,
    job: { kind: 'command', project: 'website', title: 'npm test', payload: { command: 'npm test' } },
    events: [
      { type: 'output', data: { line: 'ok 1', stream: 'stdout' } },
      { type: 'progress', data: { done: 1, of: 2 } },
    ],
    result: { exit_code: 0 },
  },
  'runner-jobs': {
    name: 'runner-jobs',
    path: id => `/runner-jobs/${id}/events/stream`,
    job: { kind: 'build', project: 'website', title: 'Build' },
    events: [
      { type: 'step.started', data: { step: 'compile' } },
      { type: 'step.output', data: { step: 'compile', line: '12 files' } },
      { type: 'step.progress', data: { step: 'compile', percent: 50 } },
      { type: 'step.completed', data: { step: 'compile', seconds: 3 } },
    ],
    result: { artifacts: 2 },
  },
  runs: {
    name: 'runs',
    path: id => `/api/v1/runs/${id}/events`,
    job: { kind: 'run', project: 'website', title: 'Nightly' },
    events: [
      { type: 'log', data: { line: 'Collecting tests' } },
      { type: 'result', data: { test: 'adds', outcome: 'passed' } },
      { type: 'log', data: { line: 'Done' } },
    ],
    result: { passed: 1, failed: 0, total: 1, testsGenerated: 1, seconds: 3 },
  },
  'remote-commands': {
    name: 'remote-commands',
    path: id => `/projects/website/events?stream_id=${id}`,
    job: { kind: 'command', project: 'website', payload: { command: 'npm test' } },
    events: [
      { type: 'output', data: { line: 'ok 1', stream: 'stdout' } },
      { type: 'output', data: { line: 'deprecated', stream: 'stderr' } },
    ],
    result: { exit_code: 0, signal: null, duration_ms: 1234 },
  },
  executions: {
    name: 'executions',
    path: id => `/api/executions/${id}/events`,
    job: { kind: 'execution', title: 'Release' },
    started: true,
    events: [
      { type: 'task-start', data: { taskId: 't1', taskTitle: 'Build', progress: 0, total: 2 } },
      { type: 'agent-chatter', data: { agent: 'builder', message: 'Compiling' } },
      {
        type: 'task-complete',
        data: { taskId: 't1', status: 'completed', duration: 1200, progress: 1, total: 2 },
      },
      { type: 'task-fail', data: { taskId: 't2', error: 'No disk space' } },
    ],
    result: { successful: 1, failed: 1, totalDuration: 3400 },
  },
} as const satisfies Record<string, Story>

/** In the queue, or running where it is executed without a runner. */
export function create(app: FastifyInstance, { job, started }: Story): Promise<Job> {
  return app.jobs.create(EDITOR, job, started ? 'running' : 'queued')
}

/** Claimed by a runner, if it needs one, with the event that says so. */
export async function run(app: FastifyInstance, story: Story, { id }: Job): Promise<void> {
  if (!story.started) {
    const claim = { runner: RUNNER.id, kinds: [story.job.kind] }
    const claimed = await app.jobs.claim(RUNNER, claim, new AbortController().signal)
    // Stories share kinds, and a runner gets the oldest job: create and run several in the same order.
    if (claimed?.id !== id) throw new Error(`claimed ${claimed?.id} in place of ${id}`)
  }
  for (const event of story.events) await app.jobs.append(EDITOR, id, [event], { attempt: 1 })
}

export async function finish(app: FastifyInstance, { result }: Story, { id }: Job): Promise<void> {
  await app.jobs.finish(EDITOR, id, 'completed', { result }, { attempt: 1 })
}

/** The story from its beginning to its end. */
export async function play(app: FastifyInstance, story: Story): Promise<Job> {
  const job = await create(app, story)
  await run(app, story, job)
  await finish(app, story, job)
  return job
}

/** The ids of the events of a job's stream, as clients get them. */
export async function idsOf(app: FastifyInstance, { id }: Job): Promise<string[]> {
  const { rows } = await app.database.query<{ position: Position; eventId: string }>(
    `select e."position", e.event_id as "eventId" from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.name = $1 order by e."position"`,
    [jobStream(id)],
  )
  return rows.map(({ position, eventId }) => formatEventId(position, eventId))
}
