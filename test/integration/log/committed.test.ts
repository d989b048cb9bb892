/** Writers hand over the events as the log has them, with the identity of the event before the first one. */
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { Items } from '../../../src/items/items.js'
import { Jobs } from '../../../src/jobs/jobs.js'
import type { Committed } from '../../../src/log/committed.js'
import { FEED, type Position } from '../../../src/log/event.js'
import { readPage } from '../../../src/log/log.js'
import { Publisher } from '../../../src/log/publisher.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect } from '../../harness/records.js'
import { until } from '../../harness/until.js'

const AUTHOR = { id: 'ada', workspace: 'acme' }
const AWKWARD = { text: 'é\ud83d\ude00 "\\', nested: { n: 1.5e300, list: [null, true] } }

t.test('a publish, also of several requests and streams in one transaction', async t => {
  const { pool } = await createDatabase(t)
  const committed: Committed[] = []
  const publisher = new Publisher({ database: pool, onCommitted: each => committed.push(...each) })
  t.teardown(() => publisher.close())
  const publish = (stream: string, types: readonly string[], idempotencyKey?: string) =>
    publisher.publish({
      workspace: 'acme',
      stream,
      actor: 'ada',
      events: types.map(type => ({ type, data: AWKWARD })),
      idempotencyKey,
    })
  await publish(FEED, ['first'], 'key')
  await publish('other', ['first'])
  committed.length = 0

  await Promise.all([
    publish(FEED, ['a', 'b']),
    publish('other', ['x']),
    publish(FEED, ['first'], 'key'),
    publish(FEED, ['c']),
    publish('other', ['y'], 'again'),
    publish('other', ['y'], 'again'),
  ])

  await sameAsLog(t, pool, committed)
  t.strictSame(committed.flatMap(({ events }) => events.map(({ type }) => type)).sort(), [
    'a',
    'b',
    'c',
    'x',
    'y',
  ])
})

t.test('a request that is refused hands nothing over; the others of its transaction do', async t => {
  const { pool } = await createDatabase(t)
  const committed: Committed[] = []
  const publisher = new Publisher({ database: pool, onCommitted: each => committed.push(...each) })
  t.teardown(() => publisher.close())
  const publish = (stream: string) =>
    publisher.publish({ workspace: 'acme', stream, actor: 'ada', events: [{ type: 'a', data: {} }] })
  for (const stream of ['closed', FEED]) await publish(stream)
  await pool.query(`select sluice.close_stream(sluice.ensure_stream('acme', 'closed'))`)
  committed.length = 0

  const results = await Promise.allSettled([FEED, 'closed', FEED, 'closed'].map(publish))

  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
  )
  await sameAsLog(t, pool, committed)
  t.equal(committed.flatMap(({ events }) => events).length, 2)
})

t.test('changes of items, and reports on jobs', async t => {
  const { pool } = await createDatabase(t)
  const committed: Committed[] = []
  const onCommitted = (each: readonly Committed[]) => committed.push(...each)
  const items = new Items({ database: pool, onCommitted })
  const unused = async () => undefined
  const jobs = new Jobs({
    database: pool,
    hub: { open: unused },
    onCommitted: () => {},
    onReported: onCommitted,
  })
  const item = { part_number: 'A', description: 'é "quoted"', item_type: 'part' }
  await items.create(AUTHOR, item)
  const job = await jobs.create(AUTHOR, { kind: 'execution' }, 'running')
  committed.length = 0

  await items.revise(AUTHOR, 'A', { comment: 'two events' })
  const report = [
    { type: 'output', data: AWKWARD },
    { type: 'progress', data: {} },
  ]
  for (let n = 0; n < 2; n += 1) await jobs.append(AUTHOR, job.id, report, { idempotencyKey: `${n % 1}` })

  await sameAsLog(t, pool, committed)
  t.equal(committed.flatMap(({ events }) => events).length, 4)
})

t.test('a publish that waited for another writer knows the event before its own', async t => {
  const { pool } = await createDatabase(t)
  const committed: Committed[] = []
  const publisher = new Publisher({ database: pool, onCommitted: each => committed.push(...each) })
  t.teardown(() => publisher.close())
  const request = { workspace: 'acme', stream: FEED, actor: 'ada', events: [{ type: 'mine', data: {} }] }
  await publisher.publish(request)
  const other = await connect(t, pool)
  const pid = await backendOf(other)
  await other.query('begin')
  const { rows } = await other.query(`select event_id from sluice.append('acme', 'feed', 'theirs', '{}')`)

  const waiting = publisher.publish(request)
  await until('it waits', async () => {
    const { rows } = await pool.query('select from pg_stat_activity where $1 = any (pg_blocking_pids(pid))', [
      pid,
    ])
    return rows.length > 0
  })
  await other.query('commit')
  await waiting

  t.equal(committed.at(-1)?.previous, rows[0]?.event_id)
  await publisher.publish(request)
  t.equal(committed.at(-1)?.previous, committed.at(-2)?.events[0]?.eventId)
})

/** Compares them with the log as a reader finds it that stands before them. */
async function sameAsLog(t: Test, pool: Database, committed: readonly Committed[]): Promise<void> {
  t.not(committed.length, 0)
  for (const { streamId, previous, events } of committed) {
    const before = ((events[0]?.position ?? 1) - 1) as Position
    const page = await readPage(pool, streamId, before, events.length, 1_000_000)
    t.strictSame({ anchor: previous, events }, page)
  }
}
