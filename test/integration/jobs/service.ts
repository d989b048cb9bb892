/** The jobs over HTTP: gateways on one database, callers of each role, and the log as it is stored. */
import type { Test } from 'tap'
import type { Role } from '../../../src/auth/principal.js'
import { createPool, type Database } from '../../../src/database/pool.js'
import type { Job } from '../../../src/jobs/job.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

/** Whatever an answer may hold; a test looks at what it expects. */
export type Body = Job & {
  readonly job: Job
  readonly jobs: readonly Job[]
  readonly next_cursor: string | null
  readonly events: readonly { readonly id: string; readonly position: number; readonly event_id: string }[]
  readonly code: string
  readonly detail: string
  readonly line: number
  readonly stored: number
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface Caller {
  readonly identity: Readonly<Record<string, string>>
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

export interface LoggedEvent {
  readonly type: string
  readonly data: Record<string, unknown>
  readonly actor: string | null
}

export interface JobsService {
  readonly gateways: readonly [Gateway, ...Gateway[]]
  /** For looking and for making trouble. */
  readonly pool: Database
  /** @param gateway its number, default the first. */
  as(role: Role, workspace?: string, gateway?: number): Caller
  /** Puts a job into the queue. */
  create(job?: object, workspace?: string): Promise<Job>
  /** Takes a job out of the queue, as soon as no other statement holds it. */
  claim(claim?: object): Promise<Job>
  /** The stream of a job from the beginning, whether it is closed or gone. */
  stream(id: string): Promise<LoggedEvent[]>
  feed(workspace?: string): Promise<LoggedEvent[]>
}

export async function startJobs(
  t: Test,
  { gateways: count = 1, env = {} }: { gateways?: number; env?: Record<string, string> } = {},
): Promise<JobsService> {
  const first = await startGateway(t, { env })
  const { databaseUrl } = first
  const others = await Promise.all(
    Array.from({ length: count - 1 }, () => startGateway(t, { databaseUrl, env })),
  )
  const gateways = [first, ...others] as const
  const pool = createPool(databaseUrl, { max: 10, name: 'jobs test', onError: () => undefined })
  t.teardown(() => pool.end())

  const caller = (role: Role, workspace = 'acme', gateway = 0) =>
    callerOf((gateways[gateway] ?? first).url, as(role, workspace))
  return {
    gateways,
    pool,
    as: caller,
    create: async (job = {}, workspace) =>
      ok(await caller('editor', workspace).post('/api/jobs', { kind: 'command', ...job })),
    // Postgres reports an error before it has released the locks of the statement, and a claim passes over locked jobs.
    claim: async (claim = {}) => {
      // Postgres reports an error before it has released the locks of the statement, and a claim passes over locked jobs.
      let answer: Answer | undefined
      await until('a job is claimed', async () => {
        answer = await caller('runner').post('/api/jobs/claim', { runner: 'r', ...claim })
        return answer.status !== 204
      })
      if (!answer) throw new Error('No claim was answered.')
      return ok(answer).job
    },
    stream: id => logged(pool, `s.name = 'job:${id}'`),
    feed: (workspace = 'acme') => logged(pool, `s.name = 'feed' and s.workspace = '${workspace}'`),
  }
}

/** The headers of a runner that speaks for an attempt. */
export function attempt(n: number): Record<string, string> {
  return { 'x-job-attempt': `${n}` }
}

/** Lets a lease expire now. */
export async function expire(pool: Database, id: string): Promise<void> {
  await pool.query(
    `update sluice.jobs set lease_expires_at = clock_timestamp() - interval '1 s' where id = $1`,
    [id],
  )
}

/** Makes writes of some events fail from now on. */
export async function refuseEvents(pool: Database, condition: string): Promise<void> {
  await pool.query(`
    create function public.refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused by the test'; end $$;
    create trigger refuse before insert on sluice.events
      for each row when (${condition}) execute function public.refuse()`)
}

export function types(events: readonly { readonly type: string }[]): string[] {
  return events.map(({ type }) => type)
}

function ok({ status, body }: Answer): Body {
  if (status < 200 || status > 201) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body
}

function callerOf(url: string, identity: Record<string, string>): Caller {
  const call = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(url + path, { ...init, headers: { ...identity, ...init.headers } })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) }
  }
  return {
    identity,
    get: path => call(path, {}),
    post: (path, body, headers = {}) =>
      call(path, {
        method: 'POST',
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        body: body === undefined || typeof body === 'string' ? (body ?? null) : JSON.stringify(body),
      }),
  }
}

async function logged(pool: Database, which: string): Promise<LoggedEvent[]> {
  const { rows } = await pool.query(
    `select e.type, e.data, e.actor from sluice.events e join sluice.streams s on s.id = e.stream_id
      where ${which} order by e."position"`,
  )
  return rows.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) }))
}
