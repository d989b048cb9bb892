/** Who has a job, until when, and that nobody else can speak for it. */
import t from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { Leases } from '../../../src/jobs/leases.js'
import { as } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { attempt, expire, type JobsService, startJobs, types } from './service.js'

t.test('a job whose lease expires is retried up to its limit of attempts, and then interrupted', async t => {
  const service = await startJobs(t, { gateways: 2 })
  const { id } = await service.create({ max_attempts: 2 })

  await service.claim()
  await expire(service.pool, id)
  await until('it waits again', async () => (await read(service, id)).status === 'queued')
  const again = await read(service, id)
  const second = await service.claim()
  await expire(service.pool, id)
  await until('it has ended', async () => (await read(service, id)).ended_at !== null)

  t.match(again, { attempt: 1, runner: null, lease_expires_at: null, started_at: null })
  t.match(second, { id, attempt: 2 })
  t.match(await read(service, id), { status: 'interrupted', attempt: 2, runner: 'r', result: null })
  t.match(await service.stream(id), [
    { type: 'job.created' },
    { type: 'job.started', data: { attempt: 1 } },
    { type: 'job.requeued', data: { job_id: id, attempt: 1, reason: 'lease-expired' }, actor: null },
    { type: 'job.started', data: { attempt: 2 } },
    { type: 'job.interrupted', data: { job_id: id, status: 'interrupted', result: null, attempt: 2 } },
  ])
  t.same(types(await service.feed()), ['job.created', 'job.started', 'job.started', 'job.interrupted'])
})

t.test(
  'an attempt that lost its lease can do nothing any more, whichever runner has the job now',
  async t => {
    const service = await startJobs(t)
    const { id } = await service.create()
    await service.claim()
    await expire(service.pool, id)
    await until('it waits again', async () => (await read(service, id)).status === 'queued')

    const whileItWaits = await everythingBy(service, id, 1)
    await service.claim({ runner: 'second' })
    const whileAnotherRuns = await everythingBy(service, id, 1)
    await service.as('runner').post(`/api/jobs/${id}/complete`, {}, attempt(2))
    const afterItsEnd = await everythingBy(service, id, 1)

    for (const answer of [...whileItWaits, ...whileAnotherRuns, ...afterItsEnd]) {
      t.match({ ...answer.body, status: answer.status }, { status: 409, code: 'lease-lost' })
    }
    t.match(await read(service, id), { status: 'completed', attempt: 2, runner: 'second' })
    t.same(types(await service.stream(id)), [
      'job.created',
      'job.started',
      'job.requeued',
      'job.started',
      'job.completed',
    ])
  },
)

t.test('an attempt that has not begun cannot report anything', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()

  for (const answer of await everythingBy(service, id, 1)) t.equal(answer.body.code, 'lease-lost')
})

t.test('a heartbeat extends the lease, even one that expired before a sweep, and is no event', async t => {
  const service = await startJobs(t, { env: { DATABASE_POOL: '2' } })
  const { id } = await service.create()
  const claimed = await service.claim({ lease_ms: 5_000 })

  const beat = await service.as('runner').post(`/api/jobs/${id}/heartbeat`, { attempt: 1, lease_ms: 300_000 })
  const { lease_expires_at } = await read(service, id)

  t.equal(beat.status, 200)
  t.equal(beat.body.lease_expires_at, lease_expires_at)
  t.ok(Date.parse(lease_expires_at ?? '') > Date.parse(claimed.lease_expires_at ?? '') + 60_000)
  t.equal((await service.stream(id)).length, 2)
})

t.test('a runner that exceeds the timeout of a job loses it, despite its heartbeats', async t => {
  const service = await startJobs(t)
  const { id } = await service.create({ timeout_ms: 1_000 })
  const { started_at, lease_expires_at } = await service.claim({ lease_ms: 300_000 })

  const beat = await service.as('runner').post(`/api/jobs/${id}/heartbeat`, { attempt: 1, lease_ms: 300_000 })

  t.equal(beat.body.lease_expires_at, lease_expires_at)
  // Each of the two times is rounded to a millisecond by itself.
  const length = Date.parse(lease_expires_at ?? '') - Date.parse(started_at ?? '')
  t.ok(Math.abs(length - 31_000) <= 1, `${length} ms`)
})

t.test(
  'a job that is handed back keeps its place in the queue, and is never interrupted by that',
  async t => {
    const service = await startJobs(t)
    const first = await service.create({ title: 'first', max_attempts: 1 })
    await service.create({ title: 'second' })

    for (let n = 1; n <= 3; n += 1) {
      t.match(await service.claim(), { title: 'first', attempt: n })
      const released = await service.as('runner').post(`/api/jobs/${first.id}/release`, undefined, attempt(n))
      t.match(released.body, { status: 'queued', runner: null, lease_expires_at: null, attempt: n })
    }

    t.match((await service.stream(first.id)).at(-1), {
      type: 'job.requeued',
      data: { job_id: first.id, attempt: 3, reason: 'handed-back' },
      actor: 'runner-of-acme',
    })
  },
)

t.test('cancelling a running job ends it at once, and the next call of its runner reports it', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()

  const cancelled = await service.as('editor').post(`/api/jobs/${id}/cancel`)
  const told = await everythingBy(service, id, 1)

  t.match(cancelled.body, { status: 'cancelled', runner: 'r', lease_expires_at: null })
  for (const answer of told)
    t.match({ ...answer.body, status: answer.status }, { status: 409, code: 'job-ended' })
})

t.test('a workspace whose feed is locked or closed delays no other', async t => {
  const service = await startJobs(t)
  const [locked, closed, free] = await Promise.all(
    ['locked', 'closed', 'free'].map(async workspace => {
      const { id } = await service.create({ max_attempts: 1 }, workspace)
      await service.as('runner', workspace).post('/api/jobs/claim', { runner: 'r' })
      return id
    }),
  )
  await service.pool.query(
    `select sluice.close_stream(id) from sluice.streams where name = 'feed' and workspace = 'closed'`,
  )
  const client = await service.pool.connect()
  await client.query('begin')
  await client.query(`select sluice.append('locked', 'feed', 'a', '{}')`)
  for (const id of [locked, closed, free]) await expire(service.pool, id ?? '')

  await until('the free one is taken', async () => (await statusOf(service, free)) === 'interrupted')
  t.equal(await statusOf(service, locked), 'running')
  await client.query('rollback')
  client.release()
  await until('the locked one is taken', async () => (await statusOf(service, locked)) === 'interrupted')

  t.equal(await statusOf(service, closed), 'running')
})

t.test('concurrent sweeps take each expired lease once, and none while paused', async t => {
  const service = await startJobs(t)
  await service.gateways[0].close()
  const author = { id: 'ann', workspace: 'acme' }
  for (let n = 0; n < 30; n += 1) {
    await service.pool.query(
      `select sluice.create_job('acme', 'command', null, null, '{}', 0, 3, null, false, 'ann')`,
    )
    await service.pool.query(`select sluice.claim_job('acme', null, null, 'r', 5000, $1)`, [author.id])
  }
  await service.pool.query(`update sluice.jobs set lease_expires_at = clock_timestamp() - interval '1 s'`)
  const woken: number[] = []
  const silent = () => undefined
  const leasesOf = (paused: boolean) =>
    new Leases({
      database: service.pool,
      logger: { info: silent, warn: silent, error: silent },
      maxQueueAge: 0,
      paused: () => paused,
      onCommitted: streams => woken.push(streams.length),
    })
  const paused = leasesOf(true)
  paused.start()
  await paused.close()
  t.equal(woken.length, 0)

  const taken = await Promise.all(Array.from({ length: 4 }, () => leasesOf(false).sweep()))

  const left = await leasesOf(false).sweep()
  t.equal(
    taken.reduce((sum, n) => sum + n, left),
    30,
  )
  t.equal(woken.length, 30)
  const { rows } = await service.pool.query(
    `select type, count(*) from sluice.events where type = 'job.requeued' group by 1`,
  )
  t.match(rows, [{ count: 30 }])
})

t.test('in maintenance a runner keeps its job, and no runner gets a new one', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.create()
  await service.claim()
  await fetch(`${service.gateways[0].url}/api/server/state`, {
    method: 'PUT',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ mode: 'maintenance' }),
  })

  const beat = await service.as('runner').post(`/api/jobs/${id}/heartbeat`, { attempt: 1 })
  const claim = await service.as('runner').post('/api/jobs/claim', { runner: 'r' })

  t.equal(beat.status, 200)
  t.equal(claim.status, 503)
})

async function everythingBy(service: JobsService, id: string, n: number) {
  const runner = service.as('runner')
  return [
    await runner.post(`/api/jobs/${id}/events`, { type: 'output', data: {} }, attempt(n)),
    await runner.post(`/api/jobs/${id}/complete`, { result: {} }, attempt(n)),
    await runner.post(`/api/jobs/${id}/fail`, undefined, attempt(n)),
    await runner.post(`/api/jobs/${id}/release`, undefined, attempt(n)),
    await runner.post(`/api/jobs/${id}/heartbeat`, { attempt: n }),
  ]
}

async function read(service: JobsService, id: string): Promise<Job> {
  return (await service.as('viewer').get(`/api/jobs/${id}`)).body
}

async function statusOf(service: JobsService, id: string | undefined): Promise<string> {
  const { rows } = await service.pool.query('select status from sluice.jobs where id = $1', [id])
  return rows[0]?.status
}
