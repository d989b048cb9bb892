/** Jobs that no runner claims wait visibly, and end after MAX_QUEUE_AGE. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { Leases } from '../../../src/jobs/leases.js'
import { openStream } from '../../harness/event-stream.js'
import { as } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { attempt, startJobs, types } from './service.js'

const AGE = { MAX_QUEUE_AGE: '3600' }

t.test('a command that no runner claims ends, and its client gets the reason', async t => {
  const service = await startJobs(t, { env: AGE })
  const { url } = service.gateways[0]
  const { body } = await service.as('editor').post('/projects/website/shell', { command: 'ls' })
  const { id } = (body as unknown as { data: { id: string } }).data
  const stream = await openStream(t, `${url}/projects/website/events?stream_id=${id}`, {
    headers: as('viewer'),
  })
  await stream.until(1, 'connected')

  await waited(service.pool, id)

  t.equal(await stream.ended(), true)
  t.match(stream.messages, [
    { event: 'connected', data: `{"stream_id":"${id}","status":"queued"}` },
    { event: 'error', data: '{"message":"No runner claimed the command within 3600 s."}' },
  ])
  const { body: job } = await service.as('viewer').get(`/api/jobs/${id}`)
  t.match(job, { status: 'interrupted', attempt: 0, result: { reason: 'expired' }, ended_at: String })
  t.same(types(await service.feed()), ['job.created', 'job.interrupted'])
  const { body: audit } = await service.as('admin').get('/api/audit')
  t.match((audit as unknown as { entries: object[] }).entries[0], {
    action: 'command.ended',
    principal: null,
    details: { job: id, project: 'website', status: 'interrupted', reason: 'expired' },
  })
})

t.test('it applies to every kind of job, but not to one that waits for less long or that runs', async t => {
  const service = await startJobs(t, { env: AGE })
  const old = await service.create({ kind: 'build' })
  const fresh = await service.create({ kind: 'build' })
  const running = await service.create({ kind: 'run', started: true })
  await service.pool.query(
    `update sluice.jobs set queued_at = queued_at - interval '2 hours' where id = any ($1::uuid[])`,
    [[old.id, running.id]],
  )

  await until('the old job has ended', async () => (await statusOf(service.pool, old.id)) === 'interrupted')

  t.equal(await statusOf(service.pool, fresh.id), 'queued')
  t.equal(await statusOf(service.pool, running.id), 'running')
})

t.test('a job that goes back to its queue starts to wait anew', async t => {
  const service = await startJobs(t, { env: AGE })
  const handedBack = await service.create({ project: 'a' })
  const lost = await service.create({ project: 'b' })
  await service.claim({ projects: ['a'] })
  await service.claim({ projects: ['b'] })
  await service.pool.query(`update sluice.jobs set queued_at = queued_at - interval '2 hours'`)

  await service.as('runner').post(`/api/jobs/${handedBack.id}/release`, undefined, attempt(1))
  await service.pool.query(
    `update sluice.jobs set lease_expires_at = clock_timestamp() - interval '1 s' where id = $1`,
    [lost.id],
  )
  await until('the lease has expired', async () => (await statusOf(service.pool, lost.id)) === 'queued')
  const canary = await service.create({ kind: 'build' })
  await waited(service.pool, canary.id)
  await until(
    'the queues were swept',
    async () => (await statusOf(service.pool, canary.id)) === 'interrupted',
  )

  t.equal(await statusOf(service.pool, handedBack.id), 'queued')
  t.equal(await statusOf(service.pool, lost.id), 'queued')
})

t.test('concurrent sweeps end each job once; a closed feed delays only its own workspace', async t => {
  const service = await startJobs(t, { env: { MAX_QUEUE_AGE: '0' } })
  for (let n = 0; n < 20; n += 1) await service.create()
  const stuck = await service.create({}, 'rival')
  await service.pool.query(
    `select sluice.close_stream(s.id) from sluice.streams s where s.name = 'feed' and s.workspace = 'rival'`,
  )
  await service.pool.query(`update sluice.jobs set queued_at = queued_at - interval '2 hours'`)
  const woken: number[] = []
  const silent = () => undefined
  const sweep = (maxQueueAge: number) =>
    new Leases({
      database: service.pool,
      logger: { info: silent, warn: silent, error: silent },
      maxQueueAge,
      paused: () => false,
      onCommitted: streams => woken.push(streams.length),
    }).sweepQueues()

  t.equal(await sweep(0), 0, 'without a limit, jobs wait forever')
  const ended = await Promise.all([sweep(3_600), sweep(3_600), sweep(3_600), sweep(3_600)])
  const left = await sweep(3_600)

  t.equal(
    ended.reduce((sum, n) => sum + n, left),
    20,
  )
  t.same(
    woken,
    Array.from({ length: 20 }, () => 2),
    'the feed and the stream of the job',
  )
  t.equal(await statusOf(service.pool, stuck.id), 'queued')
  t.equal(types(await service.feed()).filter(type => type === 'job.interrupted').length, 20)
})

/** Lets a job have waited for two hours. */
async function waited(pool: Database, id: string): Promise<void> {
  await pool.query(`update sluice.jobs set queued_at = queued_at - interval '2 hours' where id = $1`, [id])
}

async function statusOf(pool: Database, id: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ status: string }>('select status from sluice.jobs where id = $1', [id])
  return rows[0]?.status
}
