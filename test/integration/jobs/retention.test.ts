import t from 'tap'
import { jobSweep } from '../../../src/jobs/job-sweep.js'
import type { StreamId } from '../../../src/log/event.js'
import { readBounds } from '../../../src/log/log.js'
import { startJobs } from './service.js'

t.test('jobs go some time after their end, with their streams, and none that waits or runs', async t => {
  const service = await startJobs(t)
  const ended = await service.create({ title: 'ended' })
  await service.as('editor').post(`/api/jobs/${ended.id}/cancel`)
  const recent = await service.create({ title: 'recent' })
  await service.as('editor').post(`/api/jobs/${recent.id}/cancel`)
  await service.create({ title: 'running', priority: 9 })
  await service.claim()
  await service.create({ title: 'waiting' })
  const months = `interval '2 months'`
  await service.pool.query(
    `update sluice.jobs set created_at = created_at - ${months}, started_at = started_at - ${months},
       ended_at = case when title = 'recent' then ended_at else ended_at - ${months} end`,
  )
  await service.pool.query(
    `update sluice.events set at = at - ${months} where stream_id in (select stream_id from sluice.jobs)`,
  )
  const { signal } = new AbortController()

  const kept = await jobSweep(service.pool, 0).run(signal)
  const removed = await jobSweep(service.pool, 7).run(signal)

  t.same([kept, removed], [0, 2])
  const { body } = await service.as('viewer').get('/api/jobs')
  t.same(body.jobs.map(({ title }) => title).sort(), ['recent', 'running', 'waiting'])
  t.equal((await service.as('viewer').get(`/api/jobs/${ended.id}`)).status, 404)
  t.same(await service.stream(ended.id), [])
  t.equal((await service.pool.query(`select from sluice.streams where kind = 'job'`)).rowCount, 3)
  t.equal((await service.stream(recent.id)).length, 2)
  t.equal((await service.feed()).length, 7, 'the feed keeps its own time')
})

t.test('a long job goes in batches, the oldest events first, and its base follows them', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const events = Array.from({ length: 10 }, (_, n) => ({ type: 'output', data: { n } }))
  await service.as('editor').post(`/api/jobs/${id}/events`, events)
  await service.as('editor').post(`/api/jobs/${id}/cancel`)
  const { rows } = await service.pool.query<{ stream: StreamId }>(
    'select stream_id as stream from sluice.jobs',
  )
  const forget = async () =>
    (await service.pool.query(`select sluice.forget_jobs('0 s', 5) as removed`)).rows[0].removed

  t.equal(await forget(), 5)
  t.match(await readBounds(service.pool, rows[0]?.stream ?? (0 as StreamId)), {
    base: { position: 5 },
    head: { position: 12 },
  })
  t.equal(await forget(), 5)
  t.equal((await service.as('viewer').get(`/api/jobs/${id}`)).status, 200)
  t.equal(await forget(), 2)

  t.equal((await service.as('viewer').get(`/api/jobs/${id}`)).status, 404)
  t.equal(await forget(), 0)
})

t.test('one process at a time removes jobs, and a batch that means nothing is refused', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.as('editor').post(`/api/jobs/${id}/cancel`)
  const forget = async () =>
    (await service.pool.query(`select sluice.forget_jobs('0 s', 5) as removed`)).rows[0].removed
  const other = await service.pool.connect()
  await other.query('begin')
  await other.query(`select pg_advisory_xact_lock(hashtextextended('sluice.forget_jobs', 0))`)

  t.equal(await forget(), 0)
  await other.query('rollback')
  other.release()

  t.equal(await forget(), 2)
  for (const call of [`null, 1`, `'-1 day', 1`, `'1 day', 0`, `'1 day', null`]) {
    await t.rejects(service.pool.query(`select sluice.forget_jobs(${call})`), { code: '22023' })
  }
})
