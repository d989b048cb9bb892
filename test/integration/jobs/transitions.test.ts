/** Which status follows which, which events announce it, and that each is announced once. */
import t from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { until } from '../../harness/until.js'
import { attempt, expire, type JobsService, refuseEvents, startJobs, types } from './service.js'

t.test('a job that a runner completes has all its events in its stream and in the feed', async t => {
  const service = await startJobs(t)

  const created = await service.create({
    project: 'web',
    title: 'npm test',
    payload: { command: 'x' },
    priority: 3,
  })
  const claimed = await service.claim({ runner: 'build-7' })
  await service
    .as('runner')
    .post(`/api/jobs/${created.id}/events`, { type: 'output', data: { line: 'hi' } }, attempt(1))
  const done = await service
    .as('runner')
    .post(`/api/jobs/${created.id}/complete`, { result: { exit_code: 0 } }, attempt(1))

  t.match(created, {
    kind: 'command',
    project: 'web',
    title: 'npm test',
    payload: { command: 'x' },
    priority: 3,
    status: 'queued',
    result: null,
    attempt: 0,
    max_attempts: 3,
    timeout_ms: null,
    runner: null,
    lease_expires_at: null,
    created_by: 'editor-of-acme',
    started_at: null,
    ended_at: null,
  })
  t.match(claimed, { id: created.id, status: 'running', attempt: 1, runner: 'build-7', ended_at: null })
  t.ok(Date.parse(claimed.lease_expires_at ?? '') > Date.now())
  t.match(done.body, {
    status: 'completed',
    result: { exit_code: 0 },
    runner: 'build-7',
    lease_expires_at: null,
  })
  t.ok(done.body.ended_at)
  const ends = { job_id: created.id, status: 'completed', result: { exit_code: 0 }, attempt: 1 }
  const told = [
    {
      type: 'job.created',
      data: { job_id: created.id, kind: 'command', project: 'web', title: 'npm test', priority: 3 },
    },
    { type: 'job.started', data: { job_id: created.id, attempt: 1, runner: 'build-7' } },
    { type: 'job.completed', data: ends },
  ]
  t.match(await service.feed(), told)
  t.match(await service.stream(created.id), [...told.slice(0, 2), { type: 'output' }, told[2]])
  t.equal((await service.stream(created.id)).length, 4)
  t.equal((await service.feed()).length, 3)
})

const ENDINGS = [
  ['complete', 'completed'],
  ['fail', 'failed'],
  ['cancel', 'cancelled'],
  ['abort', 'aborted'],
] as const

for (const [route, status] of ENDINGS) {
  t.test(`a job that is ${status} has its last event and accepts no others`, async t => {
    const service = await startJobs(t)
    const { id } = await service.create()
    await service.claim()
    const editor = service.as('editor')

    const ended = await editor.post(`/api/jobs/${id}/${route}`, route === 'cancel' ? undefined : {})
    const after = [
      ...(await Promise.all(ENDINGS.map(([again]) => editor.post(`/api/jobs/${id}/${again}`)))),
      await editor.post(`/api/jobs/${id}/events`, { type: 'output', data: {} }),
      await service.as('runner').post(`/api/jobs/${id}/events`, { type: 'output', data: {} }, attempt(1)),
      await service.as('runner').post(`/api/jobs/${id}/complete`, {}, attempt(1)),
      await service.as('runner').post(`/api/jobs/${id}/release`, undefined, attempt(1)),
      await service.as('runner').post(`/api/jobs/${id}/heartbeat`, { attempt: 1 }),
    ]

    t.match({ status: ended.status, body: ended.body }, { status: 200, body: { status, result: null } })
    for (const answer of after)
      t.match({ ...answer.body, status: answer.status }, { status: 409, code: 'job-ended' })
    t.equal((await service.as('runner').post('/api/jobs/claim', { runner: 'r' })).status, 204)
    t.same(types(await service.stream(id)), ['job.created', 'job.started', `job.${status}`])
    t.same(types(await service.feed()), ['job.created', 'job.started', `job.${status}`])
    t.equal(await isClosed(service, id), true)
  })
}

t.test(
  'an executor aborts its job with the result so far; a runner that does not hold it cannot',
  async t => {
    const service = await startJobs(t)
    const { id } = await service.create()
    const runner = service.as('runner')
    const result = { passed: 2, failed: 0 }

    const early = await runner.post(`/api/jobs/${id}/abort`, { result }, attempt(1))
    await service.claim()
    const unnamed = await runner.post(`/api/jobs/${id}/abort`, { result })
    const aborted = await runner.post(`/api/jobs/${id}/abort`, { result }, attempt(1))

    t.match([early.status, early.body.code], [409, 'lease-lost'])
    t.match([unnamed.status, unnamed.body.code], [400, 'attempt-missing'])
    t.match([aborted.status, aborted.body], [200, { status: 'aborted', result }])
    t.match((await service.stream(id)).at(-1), {
      type: 'job.aborted',
      data: { job_id: id, status: 'aborted', result },
    })
  },
)

t.test('a waiting job can be cancelled or aborted, but not completed or failed', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const { id: other } = await service.create()
  const editor = service.as('editor')

  const early = [
    await editor.post(`/api/jobs/${id}/complete`, {}),
    await editor.post(`/api/jobs/${id}/fail`, {}),
  ]
  const cancelled = await editor.post(`/api/jobs/${id}/cancel`)

  for (const answer of early)
    t.match({ ...answer.body, status: answer.status }, { status: 409, code: 'illegal-transition' })
  t.equal(cancelled.body.status, 'cancelled')
  t.same(types(await service.stream(id)), ['job.created', 'job.cancelled'])
  t.equal((await editor.post(`/api/jobs/${other}/abort`)).body.status, 'aborted')
})

t.test('a job that is created as started is in no queue and has no lease', async t => {
  const service = await startJobs(t)
  const author = { id: 'ann', workspace: 'acme' }

  const job = await service.gateways[0].app.jobs.create(author, { kind: 'execution' }, 'running')

  t.match(job, { status: 'running', attempt: 1, runner: null, lease_expires_at: null })
  t.equal((await service.as('runner').post('/api/jobs/claim', { runner: 'r' })).status, 204)
  t.same(types(await service.stream(job.id)), ['job.created', 'job.started'])
  t.equal((await service.as('editor').post(`/api/jobs/${job.id}/complete`)).body.status, 'completed')
})

t.test('twenty writers end a job at once, one succeeds, and its event is the last', async t => {
  const service = await startJobs(t, { gateways: 2 })

  for (let round = 0; round < 5; round += 1) {
    const { id } = await service.create({ max_attempts: 1 })
    await service.claim()
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const editor = service.as('editor', 'acme', n % 2)
        if (n === 7) return expire(service.pool, id).then(() => undefined)
        if (n % 4 === 0) return editor.post(`/api/jobs/${id}/events`, { type: 'output', data: { n } })
        return editor.post(`/api/jobs/${id}/${['complete', 'fail', 'cancel'][n % 3]}`)
      }),
    )

    await until('the job has ended', async () => (await read(service, id)).ended_at !== null)
    const { status } = await read(service, id)
    const events = await service.stream(id)
    t.equal(events.at(-1)?.type, `job.${status}`)
    t.equal(types(events).filter(type => /completed|failed|cancelled|interrupted/.test(type)).length, 1)
    const ends = answers.filter(answer => answer?.status === 200)
    t.equal(ends.length, status === 'interrupted' ? 0 : 1)
    t.same(new Set(answers.map(answer => answer?.status)).has(500), false)
    const outputs = answers.filter(answer => answer?.status === 201)
    t.equal(types(events).filter(type => type === 'output').length, outputs.length)
    const told = (await service.feed()).filter(({ data }) => data.job_id === id)
    t.same(types(told), ['job.created', 'job.started', `job.${status}`])
  }
})

t.test('an append while the job is being ended waits, and is then refused', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  const client = await service.pool.connect()
  await client.query('begin')
  await client.query(`select sluice.finish_job('acme', $1, 1, 'completed', null, 'me')`, [id])

  const late = service.as('editor').post(`/api/jobs/${id}/events`, { type: 'output', data: {} })
  await until('it waits', async () => {
    const { rowCount } = await service.pool.query(
      `select from pg_stat_activity where query like '%append_job%' and wait_event_type = 'Lock'`,
    )
    return (rowCount ?? 0) > 0
  })
  await client.query('commit')
  client.release()

  t.match(await late, { status: 409, body: { code: 'job-ended' } })
  t.same(types(await service.stream(id)), ['job.created', 'job.started', 'job.completed'])
})

t.test('a change and its events are stored together or not at all', async t => {
  const service = await startJobs(t)
  const waiting = await service.create()
  const running = await service.create({ priority: 9 })
  await service.claim()
  const before = [await read(service, waiting.id), await read(service, running.id)]
  const events = await service.feed()
  // Only the feed refuses: what the transaction did before it must go as well.
  await refuseEvents(
    service.pool,
    `new.stream_id = (${(await service.pool.query(`select id from sluice.streams where name = 'feed'`)).rows[0].id})`,
  )
  const editor = service.as('editor')

  const refused = [
    await editor.post('/api/jobs', { kind: 'command' }),
    await service.as('runner').post('/api/jobs/claim', { runner: 'r' }),
    await editor.post(`/api/jobs/${running.id}/complete`),
    await editor.post(`/api/jobs/${running.id}/cancel`),
    await editor.post(`/api/jobs/${waiting.id}/cancel`),
  ]

  for (const { status } of refused) t.equal(status, 500)
  t.same([await read(service, waiting.id), await read(service, running.id)], before)
  t.same(await service.feed(), events)
  t.same(types(await service.stream(running.id)), ['job.created', 'job.started'])
  t.equal(await isClosed(service, running.id), false)
  t.equal((await service.pool.query('select from sluice.jobs')).rowCount, 2)
  t.equal((await service.pool.query(`select from sluice.streams where kind = 'job'`)).rowCount, 2)
})

t.test('while the feed is closed no job changes', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.pool.query(`select sluice.close_stream(id) from sluice.streams where name = 'feed'`)

  const refused = [
    await service.as('editor').post('/api/jobs', { kind: 'command' }),
    await service.as('runner').post('/api/jobs/claim', { runner: 'r' }),
    await service.as('editor').post(`/api/jobs/${id}/cancel`),
  ]

  for (const answer of refused)
    t.match({ ...answer.body, status: answer.status }, { status: 409, code: 'stream-closed' })
  t.equal((await read(service, id)).status, 'queued')
})

async function read(service: JobsService, id: string): Promise<Job> {
  return (await service.as('viewer').get(`/api/jobs/${id}`)).body
}

async function isClosed(service: JobsService, id: string): Promise<boolean> {
  const { rows } = await service.pool.query('select closed_at from sluice.streams where name = $1', [
    `job:${id}`,
  ])
  return rows[0]?.closed_at instanceof Date
}
