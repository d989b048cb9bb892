/** The limits of a workspace over HTTP: what is refused, that nothing of it is stored, and who is exempt. */
import t from 'tap'
import { Quota } from '../../../src/usage/quota.js'
import { createDatabase } from '../../harness/database.js'
import { as, type Gateway } from '../../harness/gateway.js'
import { succeeds, until } from '../../harness/until.js'
import { attempt, startJobs } from '../jobs/service.js'

const event = { type: 'thing.made', data: {} }
const MINUTE_MS = 60_000
/** Longer than two requests take. */
const LONG_MS = 10_000
const FULL = { status: 507, body: { code: 'workspace-full', quota: 'events' } }

t.test('a full workspace stores nothing more for its callers, by whatever way', async t => {
  const service = await startJobs(t, { gateways: 2, env: { MAX_EVENTS_PER_WORKSPACE: '6' } })
  const [{ app: counting }, { app }] = service.gateways as [Gateway, Gateway]
  // One process counts at a time: not this one, however long the others take to begin.
  await app.usageCount.close()
  // The second process has not admitted anything yet, so it reads the count.
  const [editor, runner] = [service.as('editor', 'acme', 1), service.as('runner')]
  const stored = async () =>
    (
      await service.pool.query(
        'select count(*)::int as n from sluice.events e join sluice.streams s on s.id = e.stream_id where s.workspace = $1',
        ['acme'],
      )
    ).rows[0].n
  const { id } = await service.create()
  await service.claim()
  await service.as('editor').post('/api/events', event, { 'idempotency-key': 'k1' })
  t.equal(await stored(), 5, 'two of the job, and their copies in the feed')
  await counting.usageCount.count()

  const answers = [
    await editor.post('/api/events', [event, event]),
    await editor.post('/api/events', event, { 'idempotency-key': 'k2' }),
  ]
  const full = await stored()
  answers.push(
    await editor.post('/api/events', event),
    await editor.post('/api/events', event, { 'idempotency-key': 'k3' }),
    await editor.post('/api/items', { part_number: 'A1', description: 'x', item_type: 'part' }),
    await editor.post('/api/jobs', { kind: 'render' }),
    await editor.post(`/api/jobs/${id}/events`, event),
  )

  t.match(answers[0], FULL, 'not even one of the two, although there is room for one')
  t.match(answers[1], { status: 201 })
  t.match(answers.slice(2), Array(5).fill(FULL))
  t.equal(await stored(), full)
  t.equal((await editor.get('/api/items/A1')).status, 404)
  t.equal((await editor.get('/api/jobs')).body.jobs.length, 1)
  t.match(
    await editor.post('/api/events', event, { 'idempotency-key': 'k1' }),
    { status: 201 },
    'a repetition',
  )
  t.match(
    await service.as('editor', 'other').post('/api/events', event),
    { status: 201 },
    'another workspace',
  )
  t.match(await runner.post(`/api/jobs/${id}/events`, { type: 'output', data: {} }, attempt(1)), {
    status: 201,
  })
  t.match(await runner.post(`/api/jobs/${id}/complete`, {}, attempt(1)), { status: 200 })
  await service.pool.query(`select sluice.publish('acme', 'feed', 'thing.made', '{}')`)
  t.equal(await stored(), full + 4, 'an accepted job ends, and programs with the database are exempt')
  t.match(app.quota.refused, { events: 6, bytes: 0, jobs: 0, rate: 0 })

  await service.pool.query(`select sluice.retain('feed', '0 s', 100)`)
  await counting.usageCount.count()
  await until('there is room again', async () => (await editor.post('/api/events', event)).status === 201)
})

t.test('bytes and jobs have limits of their own', async t => {
  const service = await startJobs(t, {
    env: { MAX_BYTES_PER_WORKSPACE: '2000', MAX_JOBS_PER_WORKSPACE: '1' },
  })
  const editor = service.as('editor')
  const large = { type: 'thing.made', data: { x: 'x'.repeat(1_200) } }
  await service.create()

  const answers = [
    await editor.post('/api/jobs', { kind: 'render' }),
    await editor.post('/api/events', large),
    await editor.post('/api/events', large),
  ]

  t.match(answers, [
    { status: 507, body: { code: 'workspace-full', quota: 'jobs', detail: /limit of 1 jobs/ } },
    { status: 201 },
    { status: 507, body: { code: 'workspace-full', quota: 'bytes' } },
  ])
})

t.test('events per minute are limited across processes', async t => {
  const service = await startJobs(t, { gateways: 2, env: { MAX_EVENTS_PER_MINUTE_PER_WORKSPACE: '4' } })
  const [here, there] = [service.as('editor'), service.as('editor', 'acme', 1)]
  // At the beginning of the next one there would be room again: what was published in this one counts a little less.
  await until('the minute goes on for a while', () => Date.now() % MINUTE_MS < MINUTE_MS - LONG_MS)

  const first = await here.post('/api/events', Array(4).fill(event))
  const refused = await here.post('/api/events', event)
  await until('the other process knows', async () => (await there.post('/api/events', event)).status === 429)

  t.equal(first.status, 201)
  t.match(refused, { status: 429, body: { code: 'rate-limited', detail: /4 events a minute/ } })
  t.match(refused.headers.get('retry-after'), /^\d+$/)
})

t.test('requests that arrive together do not exceed a limit', async t => {
  const { pool } = await createDatabase(t)
  const quota = new Quota({ database: pool, limits: { events: 10, bytes: 0, jobs: 0 } })

  const results = await Promise.allSettled(
    Array.from({ length: 30 }, () => quota.admit('acme', { events: 1 })),
  )

  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 10)
})

t.test('a revision counts with both of its events', async t => {
  const service = await startJobs(t, { env: { MAX_EVENTS_PER_WORKSPACE: '2' } })
  const editor = service.as('editor')
  await editor.post('/api/items', { part_number: 'A1', description: 'x', item_type: 'part' })

  t.match(await editor.post('/api/items/A1/revisions', { comment: 'c' }), FULL)
})

t.test('a body of unannounced length counts with its bytes', async t => {
  const service = await startJobs(t, { env: { MAX_BYTES_PER_WORKSPACE: '2000' } })
  const post = async () => {
    const body = new Blob([JSON.stringify({ type: 'thing.made', data: { x: 'x'.repeat(1_200) } })]).stream()
    const headers = { ...as('editor'), 'content-type': 'application/json' }
    const response = await fetch(`${service.gateways[0]?.url}/api/events`, {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    })
    return response.status
  }

  t.strictSame([await post(), await post()], [201, 507])
})

t.test('a process counts what it has admitted until a count has it', async t => {
  const { pool } = await createDatabase(t)
  let now = 0
  const quota = new Quota({ database: pool, limits: { events: 10, bytes: 0, jobs: 0 }, now: () => now })
  const full = () =>
    quota.admit('acme', { events: 1 }).then(
      () => false,
      () => true,
    )
  await counted(pool, 4, 5_000)
  await quota.admit('acme', { events: 6 })
  t.ok(await full(), '4 counted, 6 admitted since')

  // The same 6 are in the next count, which began after they were admitted.
  now = 60_000
  await counted(pool, 9, 1_000)
  await full()
  await until('it has read the new count', async () => !(await full()))

  t.ok(await full(), '9 counted, 1 admitted since')
})

t.test('a full workspace has room again by the count after its last stream was deleted', async t => {
  const service = await startJobs(t, { env: { MAX_EVENTS_PER_WORKSPACE: '2' } })
  const [{ app }] = service.gateways as [Gateway]
  const editor = service.as('editor')
  await service.pool.query(`select sluice.publish('acme', 'only', 'a', '{}') from generate_series(1, 2)`)
  await app.usageCount.count()
  t.match(await editor.post('/api/events', event), FULL)

  await service.pool.query(`select sluice.delete_stream('acme', 'only')`)
  await app.usageCount.count()

  await until('there is room', async () => (await editor.post('/api/events', event)).status === 201)
})

t.test('what was stored and deleted before any count is forgotten', async t => {
  const { pool } = await createDatabase(t)
  let now = 0
  const quota = new Quota({ database: pool, limits: { events: 10, bytes: 0, jobs: 0 }, now: () => now })
  const admit = () => succeeds(quota.admit('acme', { events: 10 }))
  t.ok(await admit())
  t.notOk(await admit())

  now = 60_000
  await pool.query(`select sluice.store_usage('[]', clock_timestamp() - interval '1 s')`)

  await until('it has read that count', admit)
})

async function counted(
  pool: Awaited<ReturnType<typeof createDatabase>>['pool'],
  events: number,
  ageMs: number,
) {
  await pool.query(`select sluice.store_usage($1, clock_timestamp() - $2 * interval '1 ms')`, [
    JSON.stringify([{ workspace: 'acme', streams: 1, jobs: 0, events, bytes: 0 }]),
    ageMs,
  ])
}
