/**
 * AUTH_COOKIE. Attack: a page of another origin uses the cookie that the victim's browser sends with its requests; a sibling
 * domain sets a second cookie of the same name.
 */
import t, { type Test } from 'tap'
import { configOf } from '../../../src/config/options.js'
import { EDITOR } from '../../harness/dialect-story.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const NAME = '__Host-session'
const viewer = token({ role: 'viewer', workspace: 'acme', sub: 'vera' })
const cookie = `theme=dark; ${NAME}=${viewer}; other=1`

t.test('a page of the same origin opens every stream with the cookie', async t => {
  const { url, app, streams } = await start(t)
  const { key } = await newKey(url)
  const job = await app.jobs.create(EDITOR, { kind: 'run' }, 'running')

  const answers: [string, number][] = []
  for (const path of [...streams, `/api/v1/runs/${job.id}/events`]) {
    answers.push([path, await statusOf(url + path, { cookie })])
  }

  t.strictSame(
    answers.filter(([, status]) => status !== 200),
    [],
  )
  t.equal(await statusOf(`${url}/api/events`, { cookie: `${NAME}="${viewer}"` }), 200, 'in quotes')
  t.equal(await statusOf(`${url}/api/events`, { cookie: `${NAME}=${key}` }), 200, 'an API key')
  t.equal(await statusOf(`${url}/api/events`, { cookie: `${NAME}=nonsense` }), 401)
  t.equal(await statusOf(`${url}/api/events`, { cookie: `x${NAME}=${viewer}` }), 401, 'another name')
  t.equal(await statusOf(`${url}/api/events`, { cookie: `${NAME}=` }), 401)
})

t.test('the cookie is ignored where a header or the query carries a credential', async t => {
  const { url } = await start(t)
  const events = `${url}/api/events`

  t.equal(await statusOf(events, { ...as('viewer'), cookie: `${NAME}=nonsense` }), 200)
  t.equal(await statusOf(`${events}?token=${viewer}`, { cookie: `${NAME}=nonsense` }), 200)
  t.equal(await statusOf(events, { authorization: 'Bearer nonsense', cookie }), 401)
  t.equal(await statusOf(`${events}?token=nonsense`, { cookie }), 401)
  t.equal(await statusOf(`${events}?ticket=nonsense`, { cookie }), 401)
  t.equal(await statusOf(events, { 'x-api-key': '', cookie }), 401)
})

t.test('no other route reads the cookie', async t => {
  const { url } = await start(t)
  const admin = `${NAME}=${token({ role: 'admin', workspace: 'acme', sub: 'root' })}`
  const post = (path: string, body: object) =>
    statusOf(
      url + path,
      { cookie: admin, 'content-type': 'application/json' },
      { method: 'POST', body: JSON.stringify(body) },
    )

  t.strictSame(
    [
      await statusOf(`${url}/api/items`, { cookie: admin }),
      await statusOf(`${url}/api/jobs`, { cookie: admin }),
      await post('/api/events', { type: 'a.b', data: {} }),
      await post('/api/jobs', { kind: 'run' }),
      await post('/api/stream-tickets', { path: '/api/events' }),
    ],
    [401, 401, 401, 401, 401],
  )
})

t.test('a page of another origin cannot use the cookie, even a listed one', async t => {
  const { url } = await start(t, { CORS_ORIGINS: 'https://listed.example' })
  const events = `${url}/api/events`
  const from = (headers: Record<string, string>) => statusOf(events, { cookie, ...headers })

  t.equal(await from({ 'sec-fetch-site': 'same-origin' }), 200)
  t.equal(await from({ 'sec-fetch-site': 'none' }), 200, 'the user opens the URL')
  t.equal(await from({ origin: url }), 200)
  t.equal(await from({ 'sec-fetch-site': 'cross-site' }), 401)
  t.equal(await from({ 'sec-fetch-site': 'same-site' }), 401, 'a sibling domain')
  t.equal(await from({ 'sec-fetch-site': 'cross-site', origin: url }), 401)
  t.equal(await from({ origin: 'https://listed.example' }), 401)
  t.equal(await from({ origin: 'null' }), 401)
  t.equal(await from({ origin: `${url}.evil.example` }), 401)
})

t.test('two cookies of the name are refused: one may be of a sibling domain', async t => {
  const { url } = await start(t)

  const response = await fetch(`${url}/api/events`, {
    headers: { cookie: `${NAME}=${viewer}; ${NAME}=${viewer}` },
  })

  t.equal(response.status, 400)
  t.match(await response.json(), { code: 'two-credentials' })
})

t.test('it opens the stream of a command whose own cookie is no longer valid', async t => {
  const { url, app } = await start(t)
  const shell = await fetch(`${url}/projects/p/shell`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: JSON.stringify({ id: 'exec-1', command: 'ls' }),
  })
  const [own = ''] = shell.headers.getSetCookie()[0]?.split(';') ?? []
  const opened = (...cookies: string[]) =>
    statusOf(`${url}/projects/p/events?stream_id=exec-1`, { cookie: cookies.join('; ') })

  const valid = await opened(own, `${NAME}=nonsense`)
  await fetch(`${url}/api/revocations`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ subject: 'editor-of-acme' }),
  })
  const revoked = [await opened(own), await opened(own, cookie), await opened(own, `${NAME}=nonsense`)]
  await app.database.query('delete from sluice.stream_tickets')
  const unknown = [await opened(own), await opened(own, cookie), await opened(own, `${NAME}=nonsense`)]

  t.equal(valid, 200, 'the cookie of the command counts first')
  t.strictSame({ revoked, unknown }, { revoked: [401, 200, 401], unknown: [401, 200, 401] })
})

t.test('without the setting no cookie counts', async t => {
  const { url } = await startGateway(t)

  t.equal(await statusOf(`${url}/api/events`, { cookie }), 401)
})

t.test('a name that no cookie can have is refused', async t => {
  for (const authCookie of ['a b', 'a=b', 'a;b', 'ä']) {
    t.throws(() => configOf({ authCookie, databaseUrl: 'postgres://x' }), /authCookie/, authCookie)
  }
})

/** A gateway, and the paths of its streams that exist from the start. */
async function start(t: Test, env: Record<string, string> = {}): Promise<Gateway & { streams: string[] }> {
  const gateway = await startGateway(t, { env: { AUTH_COOKIE: NAME, ...env } })
  const { app } = gateway
  const build = await app.jobs.create(EDITOR, { kind: 'build' }, 'running')
  const execution = await app.jobs.create(EDITOR, { kind: 'execution' }, 'running')
  const command = await app.jobs.create(EDITOR, { kind: 'command', project: 'p', payload: { command: 'ls' } })
  const streams = [
    '/api/events',
    `/api/jobs/${build.id}/events`,
    `/runner-jobs/${build.id}/events/stream`,
    `/projects/p/events?stream_id=${command.id}`,
    `/api/executions/${execution.id}/events`,
  ]
  return { ...gateway, streams }
}

async function newKey(url: string): Promise<{ key: string }> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'page', role: 'viewer' }),
  })
  return (await response.json()) as { key: string }
}

async function statusOf(
  url: string,
  headers: Record<string, string>,
  init: RequestInit = {},
): Promise<number> {
  const response = await fetch(url, { ...init, headers })
  await response.body?.cancel()
  return response.status
}
