/** What the gateway really appends is what the catalogue says, and the database reserves the same types. */
import t from 'tap'
import Value from 'typebox/value'
import type { EventEntry } from '../../../src/log/catalogue-entry.js'
import { EVENTS, isJobStatusType, RESERVED_PREFIX, RESERVED_TYPES } from '../../../src/log/event-catalogue.js'
import { until } from '../../harness/until.js'
import { attempt, expire, startJobs } from '../jobs/service.js'

t.test('every event of items and jobs is in the catalogue, with its schema and its streams', async t => {
  const service = await startJobs(t)
  const editor = service.as('editor')
  const runner = service.as('runner')
  const item = { part_number: 'A01', description: 'Bracket', item_type: 'part' }
  await editor.post('/api/items', item)
  await editor.post('/api/items/A01/revisions', { comment: 'Moved' })
  await fetch(`${service.gateways[0].url}/api/items/A01`, { method: 'DELETE', headers: editor.identity })
  const ids: string[] = []
  for (const how of ['complete', 'fail', 'abort', 'release', 'cancel', 'lose']) {
    const { id } = await service.create({ title: how, max_attempts: 1 })
    ids.push(id)
    await service.claim()
    if (how === 'lose') await expire(service.pool, id)
    else if (how === 'cancel') await editor.post(`/api/jobs/${id}/cancel`)
    else await runner.post(`/api/jobs/${id}/${how}`, undefined, attempt(1))
    if (how === 'release') await editor.post(`/api/jobs/${id}/cancel`)
  }
  const lost = ids.at(-1) ?? ''
  await until(
    'the lease was taken back',
    async () => (await editor.get(`/api/jobs/${lost}`)).body.ended_at !== null,
  )

  const feed = await service.feed()
  const own = (await Promise.all(ids.map(id => service.stream(id)))).flat()

  for (const { type, data } of [...feed, ...own]) {
    const entry = Object.entries(EVENTS).find(([name]) => name === type)?.[1]
    t.ok(entry && Value.Check(entry.data, data), `${type} ${JSON.stringify(data)}`)
    t.strictSame(Object.keys(data).sort(), Object.keys(entry?.data.properties ?? {}).sort(), type)
  }
  const appended = Object.entries<EventEntry>(EVENTS).filter(
    ([, { room }]) => room === 'items' || room === 'jobs',
  )
  for (const [stream, found] of [
    ['feed', feed],
    ['job', own],
  ] as const) {
    const listed = appended.filter(([, { streams }]) => streams.some(name => name === stream))
    t.strictSame(new Set(found.map(({ type }) => type)), new Set(listed.map(([type]) => type)), stream)
  }
})

t.test('the database reserves the same types', async t => {
  const { pool } = await startJobs(t)

  const { rows } = await pool.query(
    'select sluice.reserved_types() as types, sluice.job_status_types() as of_jobs',
  )

  t.strictSame(new Set(rows[0].types), RESERVED_TYPES)
  t.strictSame(rows[0].of_jobs, Object.keys(EVENTS).filter(isJobStatusType))
  await t.rejects(pool.query('select sluice.check_type($1)', [`${RESERVED_PREFIX}anything`]), {
    code: 'SL002',
  })
})
