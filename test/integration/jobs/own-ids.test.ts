import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as } from '../../harness/gateway.js'
import { attempt, startJobs, types } from './service.js'

const LONGEST = 'x'.repeat(128)
/** Ids that a URL, a router or a file system may read in another way. */
const AWKWARD = [
  'a',
  '...',
  '.a',
  '..a',
  ':x',
  '-',
  '_',
  'claim',
  'events',
  'exec-1234567890',
  'a:b',
  LONGEST,
]

t.test('a job may have an id of its own, which names it everywhere', async t => {
  const service = await startJobs(t)
  const [editor, runner, viewer] = [service.as('editor'), service.as('runner'), service.as('viewer')]

  const told = []
  for (const id of AWKWARD) {
    const created = await editor.post('/api/jobs', { id, kind: 'build' })
    const path = created.headers.get('location') ?? ''
    const claimed = await runner.post('/api/jobs/claim', { runner: 'r' })
    const fence = attempt(1)
    const beat = await runner.post(`${path}/heartbeat`, { attempt: 1 })
    const released = await runner.post(`${path}/release`, undefined, fence)
    await runner.post('/api/jobs/claim', { runner: 'r' })
    const appended = await runner.post(`${path}/events`, { type: 'a', data: {} }, attempt(2))
    const completed = await runner.post(`${path}/complete`, undefined, attempt(2))
    const read = await viewer.get(path)
    const page = await fetch(`${service.gateways[0].url}${path}/events?after=0`, {
      headers: { ...viewer.identity, accept: 'application/json' },
    })
    const followed = await openStream(t, `${service.gateways[0].url}/runner-jobs/${id}/events/stream`, {
      headers: viewer.identity,
    })
    await followed.ended()
    const statuses = [created, claimed, beat, released, appended, completed, read, page]
    told.push({
      path,
      statuses: statuses.map(({ status }) => status),
      ids: [created.body.id, claimed.body.job?.id, released.body.id, completed.body.id, read.body.id],
      types: types(await service.stream(id)),
      named: (await service.stream(id)).map(({ data }) => data.job_id ?? id),
      last: followed.messages.at(-1)?.data,
    })
  }

  t.strictSame(
    told,
    AWKWARD.map(id => ({
      path: `/api/jobs/${id}`,
      statuses: [201, 200, 200, 200, 201, 200, 200, 200],
      ids: [id, id, id, id, id],
      types: ['job.created', 'job.started', 'job.requeued', 'job.started', 'a', 'job.completed'],
      named: [id, id, id, id, id, id],
      last: JSON.stringify({ job_id: id, status: 'completed' }),
    })),
  )
  t.same(
    (await viewer.get('/api/jobs')).body.jobs.map(({ id }) => id),
    AWKWARD.toReversed(),
  )
})

t.test('an id is case-sensitive, and another workspace may use it for a job of its own', async t => {
  const service = await startJobs(t, { gateways: 2 })
  const [lower, upper] = [
    await service.create({ id: 'a', title: 'a' }),
    await service.create({ id: 'A', title: 'A' }),
  ]
  const theirs = await service.create({ id: 'a', title: 'theirs' }, 'other')
  await service.as('editor').post('/api/jobs/a/cancel')

  const read = (workspace: string, id: string) => service.as('viewer', workspace, 1).get(`/api/jobs/${id}`)
  const titles = [await read('acme', 'a'), await read('acme', 'A'), await read('other', 'a')]
  const missing = await read('other', 'A')
  const feed = await service.feed('other')
  const url = service.gateways[1]?.url
  const streams = []
  for (const workspace of ['acme', 'other']) {
    await service.as('editor', workspace).post('/api/jobs/a/events', { type: 'log', data: { of: workspace } })
    const stream = await openStream(t, `${url}/runner-jobs/a/events/stream`, {
      headers: as('viewer', workspace),
    })
    await stream.until(2)
    stream.close()
    streams.push(stream.messages.map(({ event }) => event).slice(0, 2))
  }

  t.same([lower.id, upper.id, theirs.id], ['a', 'A', 'a'])
  t.same(
    titles.map(({ body: { title, status } }) => [title, status]),
    [
      ['a', 'cancelled'],
      ['A', 'queued'],
      ['theirs', 'queued'],
    ],
  )
  t.equal(missing.status, 404)
  t.same(types(feed), ['job.created'])
  t.same(streams, [
    ['job.created', 'job.cancelled'],
    ['job.created', 'log'],
  ])
})

t.test('a second job with the same id is refused, whatever its form, and changes nothing', async t => {
  const service = await startJobs(t)
  const editor = service.as('editor')
  const uuid = (await service.create()).id
  await service.create({ id: 'mine', kind: 'execution', started: true })

  const refused = [
    await editor.post('/api/jobs', { id: 'mine', kind: 'command' }),
    await editor.post('/api/jobs', { id: uuid, kind: 'command' }),
    await editor.post('/api/executions', { id: 'mine' }),
    await editor.post('/projects/website/shell', { id: 'mine', command: 'true' }),
  ]
  const racing = await Promise.all(
    Array.from({ length: 8 }, () => editor.post('/api/jobs', { id: 'raced', kind: 'command' })),
  )

  t.same(
    refused.map(({ status, body: { code } }) => [status, code]),
    refused.map(() => [409, 'job-exists']),
  )
  t.same(racing.map(({ status }) => status).sort(), [201, ...Array.from({ length: 7 }, () => 409)])
  t.same(types(await service.stream('mine')), ['job.created', 'job.started'])
  t.same(types(await service.stream('raced')), ['job.created'])
  t.equal((await service.feed()).length, 4)
})

t.test('a creation that is repeated with its key creates one job, and one audit entry', async t => {
  const service = await startJobs(t)
  const key = (name: string) => ({ 'idempotency-key': name })
  const editor = service.as('editor')
  const bodies: [path: string, body: object, id: (body: never) => string][] = [
    ['/api/jobs', { kind: 'command', payload: { command: 'true' } }, (body: { id: string }) => body.id],
    ['/api/jobs', { id: 'own', kind: 'build' }, (body: { id: string }) => body.id],
    ['/api/executions', { id: 'mine' }, (body: { executionId: string }) => body.executionId],
    ['/projects/p/shell', { id: 'sh', command: 'true' }, (body: { data: { id: string } }) => body.data.id],
  ]

  const told = []
  for (const [n, [path, body, idOf]] of bodies.entries()) {
    const first = await editor.post(path, body, key(`k${n}`))
    const again = await Promise.all([1, 2, 3].map(() => editor.post(path, body, key(`k${n}`))))
    const other = await editor.post(path, { ...body, id: 'another' }, key(`k${n}`))
    told.push({
      same: again.every(answer => idOf(answer.body as never) === idOf(first.body as never)),
      replayed: [first, ...again].map(({ headers }) => headers.get('idempotency-replayed')),
      statuses: [first, ...again].map(({ status }) => status),
      other: [other.status, other.body.code],
    })
  }
  await editor.post('/api/jobs/own/cancel')
  const later = await editor.post('/api/jobs', bodies[1]?.[1], key('k1'))
  const colleague = await service.as('admin').post('/api/jobs', bodies[1]?.[1], key('k1'))
  const audit = await service.as('admin').get('/api/audit')

  t.strictSame(
    told,
    bodies.map(() => ({
      same: true,
      replayed: [null, 'true', 'true', 'true'],
      statuses: [201, 201, 201, 201],
      other: [422, 'idempotency-key-reused'],
    })),
  )
  t.match(later, { status: 201, body: { id: 'own', status: 'cancelled' } }, 'the job as it is now')
  t.match(colleague, { status: 409, body: { code: 'job-exists' } }, 'a key belongs to its principal')
  t.equal((await service.feed()).filter(({ type }) => type === 'job.created').length, 4)
  t.equal((audit.body as unknown as { entries: unknown[] }).entries.length, 2)
})

t.test('an id that no URL could name, or of another form, is refused', async t => {
  const service = await startJobs(t)
  const ids = ['', '.', '..', `${LONGEST}x`, 'a/b', 'a b', 'ä', 'a%2fb', 'a\n', 1, null]

  const refused = []
  for (const id of ids) {
    const [job, execution, command] = [
      await service.as('editor').post('/api/jobs', { id, kind: 'command' }),
      await service.as('editor').post('/api/executions', { executionId: id }),
      await service.as('editor').post('/projects/p/shell', { id, command: 'true' }),
    ]
    refused.push([job, execution, command].map(({ status, body }) => `${status} ${body.code}`))
  }
  const named = await Promise.all(
    ['a%2fb', 'a%20b', `${LONGEST}x`].map(id => service.as('viewer').get(`/api/jobs/${id}`)),
  )
  const two = await service.as('editor').post('/api/executions', { executionId: 'a', id: 'b' })
  const fromSql = []
  for (const id of ['.', '..', '', 'a/b', `${LONGEST}x`]) {
    const created = service.pool.query(
      `select from sluice.create_job('acme', 'command', null, null, '{}', 0, 1, null, false, 'ada', $1)`,
      [id],
    )
    fromSql.push(await created.catch((error: { code: string }) => error.code))
  }

  t.strictSame(
    refused,
    ids.map(() => Array.from({ length: 3 }, () => '400 invalid-request')),
  )
  t.same(
    named.map(({ status }) => status),
    [400, 400, 400],
  )
  t.equal(
    named[0]?.body.detail,
    'path/id must be 1 to 128 characters of A-Z a-z 0-9 . _ : - (. and .. are no ids).',
  )
  t.match(two, { status: 400, body: { code: 'invalid-request' } })
  t.same(
    fromSql,
    fromSql.map(() => 'SL002'),
  )
  t.same(await service.feed(), [])
})

t.test('only the job itself writes to its stream, which is followed by its name too', async t => {
  const service = await startJobs(t)
  const ids = ['exec-1', LONGEST]

  const told = []
  for (const id of ids) {
    await service.create({ id })
    const stream = encodeURIComponent(`job:${id}`)
    const published = await service.as('editor').post(`/api/events?stream=${stream}`, { type: 'a', data: {} })
    const page = await fetch(`${service.gateways[0].url}/api/events?stream=${stream}&after=0`, {
      headers: { ...as('viewer'), accept: 'application/json' },
    })
    const fromSql = service.pool.query(`select sluice.publish('acme', $1, 'a', '{}')`, [`job:${id}`])
    told.push([
      published.body.code,
      page.status,
      await fromSql.catch((error: { code: string }) => error.code),
    ])
  }

  t.strictSame(
    told,
    ids.map(() => ['invalid-event', 200, 'SL002']),
  )
})

t.test(
  'after retention, an id names a new job with a new history, and an old cursor gets `reset`',
  async t => {
    const service = await startJobs(t, { gateways: 2 })
    const editor = service.as('editor')
    const events = { type: 'log', data: { message: 'one' } }
    const key = { 'idempotency-key': 'k' }
    const path = '/api/jobs/exec-1'
    const idsOf = async (gateway: number) => {
      const url = `${service.gateways[gateway]?.url}${path}/events?after=0`
      const page = await fetch(url, { headers: { ...as('viewer'), accept: 'application/json' } })
      return ((await page.json()) as { events: { id: string }[] }).events.map(({ id }) => id)
    }
    await service.create({ id: 'exec-1', title: 'first' })
    await editor.post(`${path}/events`, events, key)
    await editor.post(`${path}/cancel`)
    const [, cursor = '', end = ''] = await idsOf(0)
    // Both gateways have the old stream in memory when it goes.
    await idsOf(1)
    while ((await service.pool.query(`select sluice.forget_jobs('0 s', 100) as n`)).rows[0].n > 0) {}
    const gone = await service.as('viewer').get(path)

    await service.create({ id: 'exec-1', title: 'second' })
    const sameKey = await editor.post(`${path}/events`, events, key)
    await editor.post(`${path}/events`, [events, events])
    const told = []
    for (const { url } of service.gateways) {
      for (const brought of [cursor, end]) {
        const stream = await openStream(t, `${url}/runner-jobs/exec-1/events/stream`, {
          headers: { ...as('viewer'), 'last-event-id': brought },
        })
        await stream.until(messages => messages.some(({ event }) => event === 'error'))
        stream.close()
        told.push(stream.messages.map(({ event, data }) => [event, JSON.parse(data).code]))
      }
    }

    t.equal(gone.status, 404)
    t.same(sameKey.body.code, 'idempotency-key-reused', 'nothing of the first job answers for the second')
    t.strictSame(
      told,
      told.map(() => [['error', 'history-lost']]),
    )
    t.match(await service.as('viewer', 'acme', 1).get(path), { body: { title: 'second' } })
  },
)
