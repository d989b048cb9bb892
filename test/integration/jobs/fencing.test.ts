/**
 * Who may write to a job and end it. Every route that does so is asked by every role, for a job in every state and with
 * every attempt that a caller can name. What is expected comes from the rule below, not from the code; a route that is
 * added without a row here fails the test.
 */
import t from 'tap'
import { ROLES, type Role } from '../../../src/auth/principal.js'
import { gatewayWithRoutes, type Route } from '../../harness/routes.js'
import { bearer, token } from '../../harness/tokens.js'

const CALLERS = [...ROLES, 'another runner'] as const
type Caller = (typeof CALLERS)[number]
const STATES = ['waits', 'was claimed', 'was claimed again', 'runs without a runner'] as const
type State = (typeof STATES)[number]
/** The attempt that a caller names; a state has the attempt 2 if it was claimed again, else 1. */
const NAMED = [undefined, 1, 2] as const
type Named = (typeof NAMED)[number]

/** Viewers may do none of it, and admins what editors may: of these no attempt is tried. */
const CASES = CALLERS.flatMap(caller =>
  STATES.flatMap(state => {
    const names = caller === 'viewer' || caller === 'admin' ? [undefined] : NAMED
    return names.map(named => ({ caller, state, named }))
  }),
)

const NOTE = { type: 'note', data: {} }
const END = { status: 'completed', successful: 1, failed: 0, totalDuration: 1 }
const LINES = 'application/x-ndjson'

/** What to send to each route. A report writes; an end, an abort and a cancellation end the job. */
const REQUESTS: Readonly<Record<string, readonly (readonly [does: Deed, body: object, type?: string])[]>> = {
  '/api/jobs/:id/events': [
    ['report', NOTE],
    ['report', NOTE, LINES],
  ],
  '/api/jobs/:id/complete': [['end', {}]],
  '/api/jobs/:id/fail': [['end', {}]],
  '/api/jobs/:id/abort': [['abort', {}]],
  '/api/jobs/:id/release': [['lease', {}]],
  '/api/jobs/:id/heartbeat': [['lease', {}]],
  '/api/jobs/:id/cancel': [['cancel', {}]],
  '/api/executions/:executionId/events': [
    ['report', NOTE],
    ['end', { type: 'execution-complete', data: END }],
  ],
  '/api/executions/:executionId/cancel': [['cancel', {}]],
}
type Deed = 'report' | 'end' | 'abort' | 'lease' | 'cancel'

t.test('a claimed job is written to and ended by the holder of its lease, and by editors', async t => {
  const { app, url, routes } = await gatewayWithRoutes(t)
  const writing = routes.filter(
    ({ method, url }) => method !== 'GET' && /^\/api\/(jobs|executions)\/:/.test(url),
  )
  const real = writing.filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS')
  t.same(real.map(route => route.url).sort(), Object.keys(REQUESTS).sort(), 'the routes are all here')
  let jobs = 0

  for (const route of real) {
    for (const [deed, body, type] of REQUESTS[route.url] ?? []) {
      await Promise.all(
        CASES.map(async ({ caller, state, named }) => {
          const id = await jobThat(state)
          const before = await stateOf(id)
          const answer = await ask(route, id, caller, named, body, type)
          const changed = (await stateOf(id)) !== before
          const expected = rule(route, deed, caller, state, named)
          const what = `${route.url} ${JSON.stringify(body)}: ${caller}, a job that ${state}, attempt ${named}`
          if (answer !== expected || changed !== (expected === 'done')) {
            t.fail(`${what}: ${answer}, not ${expected}; ${changed ? '' : 'un'}changed`)
          }
        }),
      )
    }
  }
  t.equal(jobs, 11 * CASES.length)

  async function jobThat(state: State): Promise<string> {
    const editor = { id: 'editor', workspace: 'acme' }
    jobs += 1
    const project = `p${jobs}`
    const given = { kind: 'execution', project, max_attempts: 10 }
    const { id } = await app.jobs.create(
      editor,
      given,
      state === 'runs without a runner' ? 'running' : 'queued',
    )
    const claim = () =>
      app.jobs.claim(
        { id: 'runner', workspace: 'acme' },
        { runner: 'r', projects: [project] },
        new AbortController().signal,
      )
    if (state.startsWith('was')) await claim()
    if (state === 'was claimed again') {
      await app.jobs.handBack({ id: 'runner', workspace: 'acme' }, id, 1)
      await claim()
    }
    return id
  }

  /** The job's row and how many events it has. */
  async function stateOf(id: string): Promise<string> {
    const { rows } = await app.database.query(
      `select j::text || (select count(*) from sluice.events e where e.stream_id = j.stream_id) as text
         from sluice.jobs j where j.id = $1`,
      [id],
    )
    return rows[0].text
  }

  async function ask(
    { url: path }: Route,
    id: string,
    caller: Caller,
    named: Named,
    body: object,
    type = 'application/json',
  ): Promise<string> {
    const role = caller === 'another runner' ? 'runner' : caller
    const inBody = path.endsWith('/heartbeat')
    const response = await fetch(url + path.replace(/:\w+/, id), {
      method: 'POST',
      headers: {
        ...bearer(token({ sub: caller, role })),
        ...(!path.endsWith('/cancel') && !path.endsWith('/release') && { 'content-type': type }),
        ...(named !== undefined && !inBody && { 'x-job-attempt': `${named}` }),
      },
      ...(!path.endsWith('/cancel') &&
        !path.endsWith('/release') && { body: JSON.stringify(inBody ? { attempt: named } : body) }),
    })
    const text = await response.text()
    return response.ok ? 'done' : String(JSON.parse(text).code)
  }
})

/** As docs/protocol.md says it, under Fencing. */
function rule({ url, roles }: Route, deed: Deed, caller: Caller, state: State, named: Named): string {
  const role: Role = caller === 'another runner' ? 'runner' : caller
  if (!isAllowed(role, roles)) return 'role-too-low'
  const current = state === 'waits' ? undefined : state === 'was claimed again' ? 2 : 1
  if (role !== 'runner') {
    // An editor need not name an attempt. One that it names must be the current one of a job that runs.
    const names = named !== undefined && deed !== 'cancel'
    if (names && named !== current) return 'lease-lost'
    return deed === 'end' && state === 'waits' ? 'illegal-transition' : 'done'
  }
  const isExecution = url.startsWith('/api/executions/')
  const isClaimed = state.startsWith('was')
  if (named === undefined) {
    if (url.endsWith('/heartbeat')) return 'invalid-request'
    if (!isExecution || isClaimed) return 'attempt-missing'
    return state === 'waits' ? 'lease-lost' : 'done'
  }
  return isClaimed && caller === 'runner' && named === current ? 'done' : 'lease-lost'
}

function isAllowed(role: Role, roles: Route['roles']): boolean {
  if (roles === 'public' || role === 'runner') return roles.includes(role as never)
  return roles.some(needed => needed !== 'runner' && ROLES.indexOf(role) >= ROLES.indexOf(needed))
}
