/** Command jobs for whole gateways and runners: submitted over HTTP, and read back from the tables themselves. */
import type { Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import type { Position } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'
import { as } from '../harness/gateway.js'
import type { Program } from '../harness/process.js'
import { shortLease, startRunner } from '../harness/runner-program.js'
import { token } from '../harness/tokens.js'

/** What these runners work for. */
export const PROJECT = 'site'
/** As many as there can be: on a busy machine a lease so short also expires when nobody was killed. */
const MAX_ATTEMPTS = 10
const JOB = { kind: 'command', project: PROJECT, max_attempts: MAX_ATTEMPTS }

export interface JobEvent {
  /** As a client sees it. */
  readonly id: string
  readonly type: string
  readonly data: string
  readonly actor: string | null
}
/** The stored events of each job, by its id. */
export type JobLogs = ReadonlyMap<string, readonly JobEvent[]>

/** @returns the id of the job. */
export async function submit(origin: string, command: string, priority = 0): Promise<string> {
  const response = await fetch(`${origin}/api/jobs`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: JSON.stringify({ ...JOB, priority, payload: { command } }),
  })
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`)
  return ((await response.json()) as { id: string }).id
}

/** A runner whose token names it too, so that the log tells who stored an event. */
export async function startNamed(t: Test, url: string, name: string, concurrency: number): Promise<Program> {
  return await startRunner(t, url, {
    token: token({ role: 'runner', sub: name }),
    args: ['--name', name, '--lease', shortLease(), '--concurrency', `${concurrency}`],
  })
}

/** @param only the id of the one job to read; default all. */
export async function readJobLogs(pool: Database, only?: string): Promise<JobLogs> {
  const { rows } = await pool.query<JobEvent & { job: string; position: Position; eventId: string }>(
    `select substr(s.name, 5) as job, e."position", e.event_id as "eventId", e.type, e.data, e.actor
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.kind = 'job' and ($1::text is null or s.name = 'job:' || $1) order by s.id, e."position"`,
    [only],
  )
  const logs = new Map<string, JobEvent[]>()
  for (const { job, position, eventId, type, data, actor } of rows) {
    const log = logs.get(job) ?? []
    logs.set(job, log)
    log.push({ id: formatEventId(position, eventId), type, data, actor })
  }
  return logs
}

/** How many jobs have not ended. */
export async function countOpen(pool: Database): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'select count(*)::int as count from sluice.jobs where ended_at is null',
  )
  return rows[0]?.count ?? 0
}

/** What each attempt told, and the event that it began with; what nobody told during an attempt is in none. */
export function attemptsOf(log: readonly JobEvent[]): { start: JobEvent; events: JobEvent[] }[] {
  const attempts: { start: JobEvent; events: JobEvent[] }[] = []
  let running = false
  for (const event of log) {
    if (event.type === 'job.started') attempts.push({ start: event, events: [] })
    else if (running && !event.type.startsWith('job.')) attempts.at(-1)?.events.push(event)
    if (event.type.startsWith('job.')) running = event.type === 'job.started'
  }
  return attempts
}
