/** What routes that choose streams themselves ask at run time: lists, claims, snapshots, tickets, and the head of a refusal. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { openStream } from '../../../harness/event-stream.js'
import { as, type Gateway, startGateway } from '../../../harness/gateway.js'
import { bearer, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'
import { type Reply, say, startService } from './service.js'

/** Nobody may do anything with what is called secret; only `able` may claim. */
const exceptSecrets: Reply = (question, response) => {
  const isSecret = question.stream.includes('secret') || question.stream === 'feed'
  const isUnable = question.action === 'publish' && question.principal.id === 'unable'
  say({ allowed: !isSecret && !isUnable })(question, response)
}

t.test('lists show what is allowed on full pages, and ask once about each entry', async t => {
  const service = await startService(t, exceptSecrets)
  const gateway = await startGateway(t, { env: service.env })
  // Without the service in between, which would refuse the secrets.
  const free = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  for (const id of ['a', 'secret-1', 'b', 'secret-2', 'secret-3', 'c']) {
    await call(free, 'POST', '/api/jobs', { id, kind: 'build', project: `of-${id}` })
    await call(free, 'POST', '/projects', { id: `of-${id}` }, as('admin'))
  }
  await until('all are stored', async () => (await names(free, '/api/jobs?limit=50')).length === 6)
  const asked = service.asked.length

  const pages = [await call(gateway, 'GET', '/api/jobs?limit=2')]
  pages.push(await call(gateway, 'GET', `/api/jobs?limit=2&cursor=${pages[0]?.body.next_cursor}`))
  const projects = await call(gateway, 'GET', '/projects?limit=2')
  const first = service.asked.length
  await call(gateway, 'GET', '/api/jobs')
  await call(gateway, 'GET', '/projects?limit=2')

  t.strictSame(
    pages.map(({ body }) => body.jobs.map(({ id }: { id: string }) => id)),
    [['c', 'b'], ['a']],
  )
  t.equal(pages[1]?.body.next_cursor, null)
  t.strictSame(
    projects.body.projects.map(({ id }: { id: string }) => id),
    ['of-c', 'of-b'],
  )
  t.notOk(
    pages.some(({ headers }) => headers.has('x-sluice-head')),
    'the feed is refused',
  )
  t.equal((await call(free, 'GET', '/api/jobs')).headers.has('x-sluice-head'), true)
  t.equal(service.asked.length, first, 'the answers are remembered')
  t.ok(first - asked <= 6 + 6 + 1, `${first - asked} questions`)
})

t.test('a question about a job names its project, and answers are remembered for each project', async t => {
  const service = await startService(t, ({ project, stream }, response) =>
    say({ allowed: project === 'web/1 *%' || stream === 'feed' })({} as never, response),
  )
  const gateway = await startGateway(t, { env: service.env })
  const free = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  for (const [id, project] of [['a', 'web/1 *%'], ['b', 'web'], ['c']])
    await call(free, 'POST', '/api/jobs', { id, project, kind: 'build' })
  const create = (project: string) => call(gateway, 'POST', '/api/jobs', { project, kind: 'build' })

  const read = ['a', 'b', 'c'].map(async id => (await call(gateway, 'GET', `/api/jobs/${id}`)).status)
  const made = [await create('web/1 *%'), await create('web')]

  t.strictSame(await Promise.all(read), [200, 404, 404])
  t.strictSame(
    made.map(({ status }) => status),
    [201, 403],
  )
  t.strictSame(
    new Set(service.asked.map(({ stream, project }) => [stream, project].join(' '))),
    new Set(['job:a web/1 *%', 'job:b web', 'job:c ', 'job:* web/1 *%', 'job:* web']),
  )
})

t.test('a list stops after five reads of a page, and the next page goes on', async t => {
  const service = await startService(t, exceptSecrets)
  const gateway = await startGateway(t, { env: service.env })
  const free = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  await call(free, 'POST', '/api/jobs', { id: 'last', kind: 'build' })
  for (let n = 0; n < 7; n++) await call(free, 'POST', '/api/jobs', { id: `secret-${n}`, kind: 'build' })

  const first = await call(gateway, 'GET', '/api/jobs?limit=1')
  const second = await call(gateway, 'GET', `/api/jobs?limit=1&cursor=${first.body.next_cursor}`)

  t.strictSame(first.body.jobs, [])
  t.match(second.body, { jobs: [{ id: 'last' }], next_cursor: null })
})

t.test(
  'a claim gets the first job that it is allowed, waiting or not, beside other callers that wait',
  async t => {
    const service = await startService(t, exceptSecrets)
    const gateway = await startGateway(t, { env: service.env })
    const free = await startGateway(t, { databaseUrl: gateway.databaseUrl })
    const queue = (id: string) => call(free, 'POST', '/api/jobs', { id, kind: 'build' })
    const claim = (runner: string, wait_ms = 0) => {
      const headers = bearer(token({ sub: runner, role: 'runner' }))
      return call(gateway, 'POST', '/api/jobs/claim', { runner, wait_ms }, headers)
    }
    await queue('secret-1')
    await queue('a')

    const [refused, claimed, none] = [await claim('unable'), await claim('able'), await claim('able')]
    const secret = await call(free, 'GET', '/api/jobs/secret-1')
    // So that there are not as many jobs as claims: then each claim would be tried.
    await call(free, 'POST', '/api/jobs/secret-1/cancel')
    // Whose turn never comes while the other one waits, if both waited for the same jobs in one line.
    const unable = Array.from({ length: 20 }, () => claim('unable', 30_000).catch(() => undefined))
    await until('the first wait', () => gateway.app.guard.watched === unable.length)
    const waiting = claim('able', 8_000)
    await until('all wait', () => gateway.app.guard.watched === unable.length + 1)
    await queue('b')

    t.equal(refused.status, 204)
    t.match(claimed, { status: 200, body: { job: { id: 'a', attempt: 1 } } })
    t.equal(none.status, 204)
    t.match(await waiting, { status: 200, body: { job: { id: 'b' } } })
    t.equal(gateway.app.guard.watched, unable.length, 'the others still wait')
    t.match(secret.body, { status: 'queued', attempt: 0 }, 'a refused job was never taken')
    await gateway.close()
    await Promise.all(unable)
  },
)

t.test(
  'a claim finds what it is allowed behind more than a hundred refused jobs, the oldest first',
  async t => {
    const service = await startService(t, exceptSecrets)
    const gateway = await startGateway(t, { env: service.env })
    const free = await startGateway(t, { databaseUrl: gateway.databaseUrl })
    const queue = (id: string) => call(free, 'POST', '/api/jobs', { id, kind: 'build' })
    const claim = () => call(gateway, 'POST', '/api/jobs/claim', { runner: 'r' }, as('runner'))
    // Beyond the first hundred, and beyond the first ten of the second hundred.
    for (let n = 0; n < 115; n += 1) await queue(`secret-${n}`)
    for (const id of ['b', 'a', 'c']) await queue(id)

    const claimed = [await claim(), await claim(), await claim()]

    t.strictSame(
      claimed.map(({ body }) => body.job?.id),
      ['b', 'a', 'c'],
    )
    t.equal((await claim()).status, 204)
  },
)

t.test('a job is no snapshot for a caller that may read other types of its events only', async t => {
  const service = await startService(t, say({ allowed: true, types: ['step.*'] }))
  const gateway = await startGateway(t, { env: service.env })
  const free = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  await call(free, 'POST', '/api/jobs', { id: 'a', kind: 'build', started: true })

  const stream = await openStream(t, `${gateway.url}/api/jobs/a/events`, { headers: as('viewer') })
  await call(free, 'POST', '/api/jobs/a/events', { type: 'step.done', data: {} })
  await stream.until(1, 'step.done')

  t.notMatch(stream.text(), 'snapshot')
  t.notMatch(stream.text(), 'job.')
})

t.test('the use of a ticket is asked about, as its caller', async t => {
  const service = await startService(t, exceptSecrets)
  const gateway = await startGateway(t, { env: service.env })
  for (const stream of ['open', 'secret'])
    await gateway.app.database.query(`select sluice.publish('acme', $1, 'a.made', '{}')`, [stream])
  const open = async (stream: string) => {
    const issued = await call(gateway, 'POST', '/api/stream-tickets', {
      path: `/api/events?stream=${stream}`,
    })
    return (await openStream(t, `${gateway.url}${issued.body.url}`)).response.statusCode
  }

  t.strictSame([await open('open'), await open('secret')], [200, 404])
  t.strictSame(
    service.asked.map(({ principal, action, stream }) => [principal.id, action, stream]),
    [
      ['editor-of-acme', 'subscribe', 'open'],
      ['editor-of-acme', 'subscribe', 'secret'],
    ],
  )
})

t.test('a caller that may write but not read does not learn the head from a refusal', async t => {
  const service = await startService(t, ({ action, principal }, response) =>
    say({ allowed: action === 'publish' || principal.id === 'reader' })({} as never, response),
  )
  const [decided, granted] = [await startGateway(t, { env: service.env }), await startGateway(t)]
  const answer = async (gateway: Gateway, claims: object) => {
    const body = { type: 'a.made', data: {} }
    const headers = bearer(token({ role: 'editor', ...claims }))
    await call(gateway, 'POST', '/api/events?stream=room', body, headers)
    return call(gateway, 'POST', '/api/events?stream=room&expected_head=0', body, headers)
  }
  const grants = (subscribe: string[]) => ({ sluice: { subscribe, publish: ['room'] } })

  const hidden = [await answer(decided, {}), await answer(granted, grants([]))]
  const shown = [await answer(decided, { sub: 'reader' }), await answer(granted, grants(['room']))]

  t.strictSame(
    [...hidden, ...shown].map(({ status, body }) => [status, body.code, 'head' in body]),
    [false, false, true, true].map(isShown => [409, 'head-differs', isShown]),
  )
})

async function names(gateway: Gateway, path: string): Promise<string[]> {
  return (await call(gateway, 'GET', path)).body.jobs.map(({ id }: { id: string }) => id)
}

async function call(
  { url }: Gateway,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = as('editor'),
) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...headers,
      'x-request-id': randomUUID(),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}
