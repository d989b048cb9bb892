import t from 'tap'
import type { Job } from '../../../src/jobs/job.js'
import { as } from '../../harness/gateway.js'
import { connect } from '../../harness/records.js'
import { until } from '../../harness/until.js'
import { type JobsService, startJobs, types } from './service.js'

t.test(
  'five claimers share two hundred jobs: each once, the higher priority first, then the older',
  async t => {
    const service = await startJobs(t, { gateways: 2 })
    for (let n = 0; n < 200; n += 1) await service.create({ priority: (n * 7) % 10, title: `${n}` })
    const rank = ({ priority, created_at }: Job) => `${9 - priority} ${created_at}`
    const claims: Job[] = []

    const claimer = async (n: number) => {
      const own: Job[] = []
      for (;;) {
        const { status, body } = await service
          .as('runner', 'acme', n % 2)
          .post('/api/jobs/claim', { runner: `r${n}` })
        if (status === 204) return own
        own.push(body.job)
        claims.push(body.job)
      }
    }
    const shares = await Promise.all(Array.from({ length: 5 }, (_, n) => claimer(n)))
    // A claim that met only rows that others were taking leaves empty-handed while there is more.
    claims.push(...(await claimer(0)))

    t.equal(new Set(claims.map(({ id }) => id)).size, 200)
    t.equal(claims.length, 200)
    for (const share of shares) t.same(share.map(rank), share.map(rank).sort(), 'each has them in order')
    const started = (await service.feed()).filter(({ type }) => type === 'job.started')
    t.equal(started.length, 200)
  },
)

t.test('one claimer gets exactly the order of the queue', async t => {
  const service = await startJobs(t)
  for (const [title, priority] of [
    ['a', 0],
    ['b', 5],
    ['c', 9],
    ['d', 5],
    ['e', 0],
  ] as const) {
    await service.create({ title, priority })
  }

  const order = []
  for (let n = 0; n < 5; n += 1) order.push((await service.claim()).title)

  t.same(order, ['c', 'b', 'd', 'a', 'e'])
})

t.test('a claim is narrowed by projects and kinds, and stays in its workspace', async t => {
  const service = await startJobs(t)
  await service.create({ title: 'none' })
  await service.create({ title: 'web', project: 'web' })
  await service.create({ title: 'test', project: 'web', kind: 'test' })
  await service.create({ title: 'foreign', project: 'web', priority: 9 }, 'other')

  const claims = [
    await service.claim({ projects: ['api', 'web'], kinds: ['test'] }),
    await service.claim({ projects: ['web'] }),
    await service.claim({ kinds: ['run', 'command'] }),
  ]
  const none = await service.as('runner').post('/api/jobs/claim', { runner: 'r' })

  t.same(
    claims.map(({ title }) => title),
    ['test', 'web', 'none'],
  )
  t.equal(none.status, 204)
  t.equal((await service.feed('other')).length, 1)
})

for (const BUS_NOTIFY of ['on', 'off']) {
  t.test(`a claim that waits gets a job that another gateway creates (BUS_NOTIFY=${BUS_NOTIFY})`, async t => {
    const service = await startJobs(t, { gateways: 2, env: { BUS_NOTIFY } })

    const waiting = service.as('runner', 'acme', 1).post('/api/jobs/claim', { runner: 'r', wait_ms: 30_000 })
    await untilItWaits(service, 1)
    const { id } = await service.create()
    const { status, body } = await waiting

    t.equal(status, 200)
    t.equal(body.job.id, id)
    t.equal(body.job.status, 'running')
  })
}

t.test('one of several waiting claims gets the job, and the others wait on', async t => {
  const service = await startJobs(t, { gateways: 2 })
  const waiting = [0, 1, 0, 1].map((gateway, n) =>
    service.as('runner', 'acme', gateway).post('/api/jobs/claim', { runner: `r${n}`, wait_ms: 30_000 }),
  )

  const created = new Set<string>()
  for (let n = 0; n < 4; n += 1) created.add((await service.create()).id)

  const answers = await Promise.all(waiting)
  t.same(new Set(answers.map(({ body }) => body.job.id)), created)
})

t.test('a wait that finds nothing ends with 204', async t => {
  const service = await startJobs(t)

  const { status } = await service.as('runner').post('/api/jobs/claim', { runner: 'r', wait_ms: 50 })

  t.equal(status, 204)
})

t.test('a closing gateway answers waiting claims, and does not wait for them', async t => {
  const service = await startJobs(t, { env: { DATABASE_POOL: '2' } })
  // So many that the last of them get their answer when the server takes no connections any more.
  const waiting = Array.from({ length: 20 }, () =>
    service.as('runner').post('/api/jobs/claim', { runner: 'r', wait_ms: 30_000 }),
  )
  await untilItWaits(service)

  await service.gateways[0].close()

  for (const { status } of await Promise.all(waiting)) t.equal(status, 204)
})

t.test('a runner that disconnects while it waits leaves the job to the next one', async t => {
  const service = await startJobs(t)
  const gone = new AbortController()
  const claim = fetch(`${service.gateways[0].url}/api/jobs/claim`, {
    method: 'POST',
    headers: { ...as('runner'), 'content-type': 'application/json' },
    body: JSON.stringify({ runner: 'gone', wait_ms: 30_000 }),
    signal: gone.signal,
  }).catch(() => undefined)
  await untilItWaits(service)

  gone.abort()
  await claim
  const { id } = await service.create()
  const next = await service.as('runner').post('/api/jobs/claim', { runner: 'next', wait_ms: 30_000 })

  t.match(next.body.job, { id, runner: 'next' })
})

t.test('a job that is given to a runner that has just disconnected returns to the queue', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()

  const lock = await connect(t, service.pool)
  await lock.query('begin; lock table sluice.events in share mode')
  const left = new AbortController()

  const claim = service.gateways[0].app.jobs.claim(
    { id: 'gone', workspace: 'acme' },
    { runner: 'gone' },
    left.signal,
  )
  await until('the job is being given', async () => {
    const { rowCount } = await service.pool.query(
      `select from pg_stat_activity where query like '%claim_job%' and wait_event_type = 'Lock'`,
    )
    return rowCount === 1
  })
  left.abort()
  await lock.query('rollback')
  const given = await claim

  t.equal(given, undefined)
  t.equal((await service.as('viewer').get(`/api/jobs/${id}`)).body.status, 'queued')
  t.same(types(await service.stream(id)), ['job.created', 'job.started', 'job.requeued'])
})

/** Resolves when a claim has looked into the queue of an otherwise idle gateway, and found nothing. */
async function untilItWaits(service: JobsService, gateway = 0): Promise<void> {
  await until('somebody has looked', async () => {
    const { rowCount } = await service.pool.query(
      `select from pg_stat_activity where query like '%claim_job%' and state = 'idle'`,
    )
    return (rowCount ?? 0) > 0
  })
  // Answered by the same process, after it was answered itself.
  await service.as('viewer', 'elsewhere', gateway).get('/api/jobs')
}
