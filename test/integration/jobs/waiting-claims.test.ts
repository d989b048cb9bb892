/** Claims that wait: what they cost those that do not. */
import t from 'tap'
import { holdTurns } from '../../harness/turns.js'
import { until } from '../../harness/until.js'
import { type JobsService, startJobs } from './service.js'

const WAITING = 60

t.test('many waiting claims share one query of the queue, and each gets another job', async t => {
  const service = await startJobs(t)
  const [{ app }] = service.gateways
  const statements = statementsOf(service)
  const claims = Array.from({ length: WAITING }, (_, n) =>
    service.as('runner').post('/api/jobs/claim', { runner: `r${n}`, kinds: ['wanted'], wait_ms: 30_000 }),
  )
  await until('all wait', () => app.guard.watched === WAITING && app.streamSlots.holders.principal === 1)
  const first = statements('sluice-claim_job')

  for (let n = 0; n < 10; n += 1) await service.create({ kind: 'other' })
  for (let n = 0; n < WAITING; n += 1) await service.create({ kind: 'wanted' })

  const ids = (await Promise.all(claims)).map(({ body }) => body.job.id)
  t.equal(new Set(ids).size, WAITING)
  t.ok(first <= 2, `${first} looked when they came`)
  // One of a round may be overtaken by what the next one counts; without rounds there were some thousands.
  t.ok(statements('sluice-claim_job') <= 3 * WAITING, `${statements('sluice-claim_job')} claims were tried`)
  t.ok(statements('sluice-count-queued') <= 3 * WAITING, `${statements('sluice-count-queued')} looks`)
})

t.test('a claim for another kind of job gets it, although other claims came first', async t => {
  const service = await startJobs(t)
  const waits = (claim: object) =>
    service.as('runner').post('/api/jobs/claim', { runner: 'r', wait_ms: 30_000, ...claim })
  const [one, two, three] = [waits({ kinds: ['a'] }), waits({ projects: ['p'] }), waits({ kinds: ['b'] })]
  await until('all wait', () => service.gateways[0].app.guard.watched === 3)

  const b = await service.create({ kind: 'b' })
  const p = await service.create({ kind: 'c', project: 'p' })
  const a = await service.create({ kind: 'a' })

  t.same(
    (await Promise.all([one, two, three])).map(({ body }) => body.job.id),
    [a.id, p.id, b.id],
  )
})

t.test('a waiting claim takes a stream slot, and is refused when none is free', async t => {
  const service = await startJobs(t, { env: { MAX_STREAMS_PER_PRINCIPAL: '2' } })
  const [{ app }] = service.gateways
  const wait = () => service.as('runner').post('/api/jobs/claim', { runner: 'r', wait_ms: 30_000 })
  const waiting = [wait(), wait()]
  await until('both wait', () => app.guard.watched === 2)

  const refused = await wait()
  const without = await service.as('runner').post('/api/jobs/claim', { runner: 'r' })
  for (let n = 0; n < 2; n += 1) await service.create()
  const got = await Promise.all(waiting)

  t.match({ ...refused.body, status: refused.status }, { status: 429, code: 'too-many-streams' })
  t.equal(without.status, 204, 'one that does not wait needs none')
  t.same(
    got.map(({ status }) => status),
    [200, 200],
  )
  t.equal(app.streamSlots.holders.principal, 0, 'they are given back')
})

t.test('waiting claims get an answer when the queue cannot be read', async t => {
  const service = await startJobs(t)
  const [{ app }] = service.gateways
  const waiting = Array.from({ length: 3 }, () =>
    service.as('runner').post('/api/jobs/claim', { runner: 'r', wait_ms: 30_000 }),
  )
  await until('all wait', () => app.guard.watched === 3)

  await service.pool.query('alter table sluice.jobs rename to gone')

  for (const { status } of await Promise.all(waiting)) t.equal(status, 503)
})

t.test('a claim whose runner has gone while it waited for its turn takes no job', async t => {
  const service = await startJobs(t)
  const { jobs, database } = service.gateways[0].app
  const { id } = await service.create()
  const runner = { workspace: 'acme', id: 'r', role: 'runner' } as const
  const { free, works } = holdTurns(database)
  const left = new AbortController()

  const claims = [0, 1_000].map(wait_ms =>
    jobs.claim(runner, { runner: 'r', wait_ms, granted: undefined, decided: undefined }, left.signal),
  )
  left.abort(new Error('It has gone.'))
  const outcomes = Promise.allSettled(claims)
  free()
  await works

  t.match(await outcomes, [{ reason: left.signal.reason }, { reason: left.signal.reason }])
  t.strictSame(
    (await service.stream(id)).map(({ type }) => type),
    ['job.created'],
  )
})

t.test('a claim that came after one whose runner has gone looks at once', async t => {
  const service = await startJobs(t)
  const [{ app }] = service.gateways
  const { jobs, database } = app
  const runner = { workspace: 'acme', id: 'r', role: 'runner' } as const
  const claim = { runner: 'r', wait_ms: 30_000, granted: undefined, decided: undefined }
  const { id } = await service.create()
  const { free, works } = holdTurns(database)
  const left = new AbortController()

  const first = jobs.claim(runner, claim, left.signal)
  const second = jobs.claim(runner, claim, new AbortController().signal)
  left.abort(new Error('It has gone.'))
  free()
  await works

  await t.rejects(first, left.signal.reason)
  t.equal((await second)?.id, id)
})

/** Counts the statements of a gateway by their names. */
function statementsOf({ gateways: [{ app }] }: JobsService): (name: string) => number {
  const counts = new Map<string, number>()
  const { query } = app.database
  app.database.query = ((...given: Parameters<typeof query>) => {
    const { name = '' } = given[0] as unknown as { name?: string }
    counts.set(name, (counts.get(name) ?? 0) + 1)
    return query.apply(app.database, given)
  }) as typeof query
  return name => counts.get(name) ?? 0
}
