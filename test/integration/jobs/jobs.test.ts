import t from 'tap'
import { as } from '../../harness/gateway.js'
import { attempt, startJobs, types } from './service.js'

const UNKNOWN = '00000000-0000-4000-8000-000000000000'

t.test('a job is created with the given fields, and the answer has its Location', async t => {
  const service = await startJobs(t)
  const payload = { z: 1, a: { nul: 'a\u0000b', lone: '\ud800', emoji: '🔩' }, 'line\nbreak': [null] }
  const given = {
    kind: 'test-run',
    payload,
    priority: 9,
    max_attempts: 10,
    timeout_ms: 86_400_000,
    title: '„Ü" 🔩',
  }

  const { status, headers, body } = await service.as('editor').post('/api/jobs', given)
  const read = await service.as('viewer').get(headers.get('location') ?? '')

  t.equal(status, 201)
  t.match(body, given)
  t.same(read.body, body)
  t.equal(JSON.stringify(read.body.payload), JSON.stringify(payload))
  t.match(read.headers.get('x-sluice-head'), /^1\.[a-z2-7]{6}$/)
})

t.test('the head of a job covers what the job tells', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  const { headers, body } = await service.as('runner').get(`/api/jobs/${id}`)

  const events = await service.stream(id)

  t.equal(body.status, 'running')
  t.equal(headers.get('x-sluice-head')?.split('.')[0], String(events.length))
})

t.test('pages show all jobs once, the newest first, and can be filtered', async t => {
  const service = await startJobs(t)
  const created = []
  for (let n = 0; n < 7; n += 1) {
    created.unshift(await service.create({ kind: n % 2 ? 'odd' : 'even', ...(n > 4 && { project: 'late' }) }))
  }
  await service.create({}, 'other')
  const viewer = service.as('viewer')

  const seen = []
  for (let path = '/api/jobs?limit=3'; path !== ''; ) {
    const { body, headers } = await viewer.get(path)
    seen.push(...body.jobs)
    t.match(headers.get('x-sluice-head'), /^7\./)
    path = body.next_cursor === null ? '' : `/api/jobs?limit=3&cursor=${body.next_cursor}`
  }
  await service.claim({ kinds: ['odd'] })
  const ids = async (query: string) => (await viewer.get(`/api/jobs?${query}`)).body.jobs.map(({ id }) => id)

  t.same(seen, created)
  t.same((await ids('kind=odd')).length, 3)
  t.same((await ids('kind=odd&status=running')).length, 1)
  t.same(
    await ids('project=late'),
    created.slice(0, 2).map(({ id }) => id),
  )
  t.same(await ids('status=failed'), [])
})

t.test('a page continues after a job that was deleted meanwhile', async t => {
  const service = await startJobs(t)
  const jobs = [await service.create(), await service.create(), await service.create()]
  const viewer = service.as('viewer')
  const { body } = await viewer.get('/api/jobs?limit=1')
  await service.pool.query('delete from sluice.jobs where id = $1', [jobs[2]?.id])

  const next = await viewer.get(`/api/jobs?limit=1&cursor=${body.next_cursor}`)

  t.equal(next.body.jobs[0]?.id, jobs[1]?.id)
})

t.test('a job of another workspace looks as if it did not exist', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  const calls = (job: string, workspace: string) => {
    const [viewer, editor, runner] = [
      service.as('viewer', workspace),
      service.as('editor', workspace),
      service.as('runner', workspace),
    ]
    return Promise.all([
      viewer.get(`/api/jobs/${job}`),
      runner.get(`/api/jobs/${job}`),
      editor.post(`/api/jobs/${job}/events`, { type: 'a', data: {} }),
      runner.post(
        `/api/jobs/${job}/events`,
        { type: 'a', data: {} },
        { ...attempt(1), 'idempotency-key': 'k' },
      ),
      editor.post(`/api/jobs/${job}/events`, '', { 'content-type': 'application/x-ndjson' }),
      editor.post(`/api/jobs/${job}/events`, '{"type":"a","data":{}}', {
        'content-type': 'application/x-ndjson',
      }),
      editor.post(`/api/jobs/${job}/complete`),
      editor.post(`/api/jobs/${job}/fail`),
      editor.post(`/api/jobs/${job}/cancel`),
      runner.post(`/api/jobs/${job}/release`, undefined, attempt(1)),
      runner.post(`/api/jobs/${job}/heartbeat`, { attempt: 1 }),
    ])
  }

  const foreign = await calls(id, 'other')
  const missing = await calls(UNKNOWN, 'acme')

  const shown = ({ status, body: { code, detail } }: (typeof foreign)[number]) => ({ status, code, detail })
  for (const answer of foreign)
    t.match({ ...answer.body, status: answer.status }, { status: 404, code: 'not-found' })
  t.same(foreign.map(shown), missing.map(shown))
  t.same(types(await service.stream(id)), ['job.created', 'job.started'])
  t.same((await service.as('viewer', 'other').get('/api/jobs')).body.jobs, [])
  t.equal((await service.as('runner', 'other').post('/api/jobs/claim', { runner: 'r' })).status, 204)
})

t.test('each route accepts its own roles only', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const routes: [allowed: string[], method: string, path: string][] = [
    [['editor', 'admin'], 'POST', '/api/jobs'],
    [['viewer', 'editor', 'admin'], 'GET', '/api/jobs'],
    [['viewer', 'editor', 'admin', 'runner'], 'GET', `/api/jobs/${id}`],
    [['editor', 'admin', 'runner'], 'POST', `/api/jobs/${id}/events`],
    [['editor', 'admin', 'runner'], 'POST', `/api/jobs/${id}/complete`],
    [['editor', 'admin', 'runner'], 'POST', `/api/jobs/${id}/fail`],
    [['editor', 'admin'], 'POST', `/api/jobs/${id}/cancel`],
    [['runner'], 'POST', `/api/jobs/${id}/release`],
    [['runner'], 'POST', `/api/jobs/${id}/heartbeat`],
    [['runner'], 'POST', '/api/jobs/claim'],
  ]

  for (const [allowed, method, path] of routes) {
    for (const role of ['viewer', 'editor', 'admin', 'runner'] as const) {
      const { status } = await fetch(service.gateways[0].url + path, {
        method,
        headers: as(role, 'elsewhere'),
      })
      t.equal(status === 403, !allowed.includes(role), `${role} ${method} ${path}: ${status}`)
    }
  }
})

t.test('an invalid job, claim or query is refused with the reason', async t => {
  const service = await startJobs(t)
  const deep = JSON.parse(`{"x":${'['.repeat(40)}${']'.repeat(40)}}`)
  const jobs: [body: unknown, text: RegExp, code?: string, status?: number][] = [
    [{}, /kind/],
    [{ kind: 'Command' }, /kind/],
    [{ kind: 'a'.repeat(33) }, /kind/],
    [{ kind: 'a', project: '' }, /project/],
    [{ kind: 'a', project: 'x'.repeat(129) }, /project/],
    [{ kind: 'a', project: 'a\nb' }, /project/],
    [{ kind: 'a', title: 'x'.repeat(513) }, /title/],
    [{ kind: 'a', title: 'a\u0000' }, /title/],
    [{ kind: 'a', title: '\ud800' }, /title/],
    [{ kind: 'a', payload: [] }, /payload/],
    [{ kind: 'a', payload: deep }, /deep/, 'data-too-deep'],
    [{ kind: 'a', payload: { x: 'x'.repeat(64 * 1024) } }, /65536/, 'payload-too-large', 413],
    [{ kind: 'a', priority: 10 }, /priority/],
    [{ kind: 'a', priority: -1 }, /priority/],
    [{ kind: 'a', priority: 1.5 }, /priority/],
    [{ kind: 'a', priority: '1' }, /priority/],
    [{ kind: 'a', max_attempts: 0 }, /max_attempts/],
    [{ kind: 'a', max_attempts: 11 }, /max_attempts/],
    [{ kind: 'a', timeout_ms: 0 }, /timeout_ms/],
    [{ kind: 'a', timeout_ms: 86_400_001 }, /timeout_ms/],
    [{ kind: 'a', status: 'running' }, /status/],
    [{ kind: 'a', id: 'a b' }, /id/],
  ]
  const claims: [body: unknown, text: RegExp][] = [
    [{}, /runner/],
    [{ runner: '' }, /runner/],
    [{ runner: 'x'.repeat(129) }, /runner/],
    [{ runner: 'r', projects: [] }, /projects/],
    [{ runner: 'r', projects: [null] }, /projects/],
    [{ runner: 'r', kinds: ['A'] }, /kinds/],
    [{ runner: 'r', lease_ms: 4_999 }, /lease_ms/],
    [{ runner: 'r', lease_ms: 300_001 }, /lease_ms/],
    [{ runner: 'r', wait_ms: 30_001 }, /wait_ms/],
    [{ runner: 'r', workspace: 'other' }, /workspace/],
  ]
  const queries = [
    'limit=0',
    'limit=201',
    'status=done',
    'kind=A',
    'colour=red',
    'cursor=x',
    'limit=x',
    'project=',
  ]

  for (const [body, text, code = 'invalid-request', status = 400] of jobs) {
    const answer = await service.as('editor').post('/api/jobs', body)
    t.match(
      { ...answer.body, status: answer.status },
      { status, code, detail: text },
      JSON.stringify(body).slice(0, 80),
    )
  }
  for (const [body, text] of claims) {
    const answer = await service.as('runner').post('/api/jobs/claim', body)
    t.match(
      { ...answer.body, status: answer.status },
      { status: 400, detail: text },
      JSON.stringify(body).slice(0, 80),
    )
  }
  for (const query of queries)
    t.equal((await service.as('viewer').get(`/api/jobs?${query}`)).status, 400, query)
  for (const cursor of [
    'jobs:1.x',
    'jobs:1.00000000-0000-0000-0000-00000000000g',
    'items:A',
    `jobs:-1.${UNKNOWN}`,
  ]) {
    const answer = await service
      .as('viewer')
      .get(`/api/jobs?cursor=${Buffer.from(cursor).toString('base64url')}`)
    t.match({ ...answer.body, status: answer.status }, { status: 400, code: 'invalid-cursor' }, cursor)
  }
  for (const id of ['a%20b', 'a%2Fb', 'x'.repeat(129)])
    t.equal((await service.as('viewer').get(`/api/jobs/${id}`)).status, 400)
  t.same(await service.feed(), [])
})
