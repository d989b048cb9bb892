/** A publish request that is alone in its commit: stored or refused as in a batch, by a statement of its own. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import type { AppendRequest } from '../../../src/log/append-request.js'
import { appendRequests } from '../../../src/log/append-requests.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect, logged, untilBlocked } from '../../harness/records.js'

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const KEYED = { key: 'k', fingerprint: 'f' }

const requestOf = (type: string, more: Partial<AppendRequest> = {}): AppendRequest => ({
  workspace: 'w',
  stream: 'feed',
  actor: 'me',
  way: 'http',
  idempotency: undefined,
  events: [{ type, data: '{"n": 1}', traceparent: TRACEPARENT }],
  ...more,
})

const rowsOf = async (database: Database) =>
  (
    await database.query(
      `select type, data, actor, attributes, way, traceparent from sluice.events order by stream_id, "position"`,
    )
  ).rows

t.test('it stores what a batch stores', async t => {
  const { pool } = await createDatabase(t)
  await appendRequests(pool, [requestOf('a')])
  await appendRequests(pool, [requestOf('a', { stream: 'other' }), requestOf('a', { stream: 'third' })])

  const [alone, ...batch] = await rowsOf(pool)
  t.match(alone, { type: 'a', data: '{"n": 1}', actor: 'me', way: 'http', traceparent: TRACEPARENT })
  t.strictSame(batch, [alone, alone])
})

t.test('it names its place and the event before it', async t => {
  const { pool } = await createDatabase(t)
  const [first] = await appendRequests(pool, [requestOf('a')])
  const [second] = await appendRequests(pool, [requestOf('b')])

  const rows = (await logged(pool)).map(({ position, eventId, at }) => ({ position, eventId, at }))
  t.match(first, { refused: null, replayed: false, previous: null, events: rows.slice(0, 1) })
  t.match(second, { refused: null, replayed: false, previous: rows[0]?.eventId, events: rows.slice(1) })
})

t.test('an event for which it has waited is the one before it', async t => {
  const { pool } = await createDatabase(t)
  const [holder, waiter] = [await connect(t, pool), await connect(t, pool)]
  await appendRequests(pool, [requestOf('a')])
  await holder.query('begin')
  await appendRequests(holder, [requestOf('b')])

  const pid = await backendOf(waiter)
  const waiting = appendRequests(waiter, [requestOf('c')])
  await untilBlocked(pool, pid)
  await holder.query('commit')

  const [outcome] = await waiting
  const [, before] = await logged(pool)
  t.match(outcome, { previous: before?.eventId, events: [{ position: 3 }] })
})

t.test('after retention it continues the positions, and knows no event before it', async t => {
  const { pool } = await createDatabase(t)
  await appendRequests(pool, [requestOf('a'), requestOf('b')])
  await pool.query(`select sluice.retain('feed', '0 s', 10)`)

  t.match(await appendRequests(pool, [requestOf('c')]), [{ previous: null, events: [{ position: 3 }] }])
})

t.test('it is refused as in a batch', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.close_stream(sluice.ensure_stream('w', 'closed'))`)
  await pool.query(`update sluice.limits set most = 1 where name = 'streams'`)

  const refusal = async (stream: string) => (await appendRequests(pool, [requestOf('a', { stream })]))[0]
  t.strictSame(await refusal('closed'), { refused: 'stream-closed' })
  t.strictSame(await refusal('new'), { refused: 'too-many-stored-streams' })
  t.match(await refusal('feed'), { refused: null }, 'the feed is always created')
  await t.rejects(appendRequests(pool, [requestOf('heartbeat')]), { code: 'SL002' }, 'a reserved type')
  await t.rejects(refusal('job:1'), { code: 'SL002' }, 'the stream of a job')
  await t.rejects(refusal('no stream'), { code: 'SL002' })
  t.equal((await rowsOf(pool)).length, 1)
})

t.test('a stream that stays locked refuses it after 2 s', async t => {
  const { pool } = await createDatabase(t)
  const holder = await connect(t, pool)
  await appendRequests(pool, [requestOf('a')])
  await holder.query('begin')
  await appendRequests(holder, [requestOf('b')])

  await t.rejects(appendRequests(pool, [requestOf('c')]), { code: '55P03' })
})

t.test('keys, attributes and several events are not lost by it', async t => {
  const { pool } = await createDatabase(t)
  const once = () => appendRequests(pool, [requestOf('a', { idempotency: KEYED })])
  const [first] = await once()
  t.match(await once(), [{ ...first, replayed: true }])

  const event = { type: 'b', data: '{}' }
  await appendRequests(pool, [requestOf('', { events: [{ ...event, attributes: '{"subject":"s"}' }] })])
  await appendRequests(pool, [requestOf('', { events: [event, event] })])
  t.match(await rowsOf(pool), [
    { type: 'a' },
    { attributes: '{"subject":"s"}' },
    { type: 'b' },
    { type: 'b' },
  ])
})
