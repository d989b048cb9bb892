import t, { type Test } from 'tap'
import { inTransaction } from '../../../src/database/pool.js'
import { StreamEnds } from '../../../src/hub/stream-ends.js'
import type { TailedStream } from '../../../src/hub/tailed-stream.js'
import { ensureStream, readBounds } from '../../../src/log/log.js'
import { createDatabase } from '../../harness/database.js'
import { observed, startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

t.test('a stream that may have ended while others are looked up is looked up next', async t => {
  const { pool, ends, one, other, deleted } = await start(t)
  ends.expect(one.id)

  await ends.find(
    observed(
      pool,
      () => {},
      () => ends.expect(other.id),
    ),
  )
  await pool.query('delete from sluice.streams')
  await ends.find(pool)

  t.strictSame(deleted, [other.id])
})

t.test('so are all streams, if any of them may have ended meanwhile', async t => {
  const { pool, ends, one, other, deleted } = await start(t)
  ends.expect()

  await ends.find(
    observed(
      pool,
      () => {},
      () => ends.expect(),
    ),
  )
  await pool.query('delete from sluice.streams')
  await ends.find(pool)

  t.same(new Set(deleted), new Set([one.id, other.id]))
})

t.test('after a failure all are looked up again, those from before it and those from meanwhile', async t => {
  const { pool, ends, one, other, deleted } = await start(t)
  ends.expect(one.id)
  await pool.query('delete from sluice.streams')

  const away = observed(pool, () => {
    ends.expect(other.id)
    throw new Error('away')
  })
  await t.rejects(ends.find(away), { message: 'away' })
  await ends.find(pool)

  t.same(new Set(deleted), new Set([one.id, other.id]))
})

t.test('a stream whose closing the log has lost is open again at the next poll', async t => {
  const { hub, pool, tailer, bus, stream } = await startClosed(t)
  bus.status = 'listening'

  await pool.query('update sluice.streams set closed_at = null')
  tailer.wake('all')
  await until('the stream is open', () => !stream.closed)

  await pool.query('update sluice.streams set closed_at = now()')
  tailer.wake([stream.id])
  await until('it is closed again', () => stream.closed)
  t.equal((await hub.open('acme', 'feed'))?.stream, stream)
})

t.test('so it is at once if the log has lost its last events with the closing', async t => {
  const { pool, tailer, stream } = await startClosed(t)
  const closedAt: boolean[] = []
  stream.followers.add({ forget() {}, onDeleted() {}, restart: () => closedAt.push(stream.closed) })

  await inTransaction(pool, async client => {
    await client.query('delete from sluice.events where "position" > 2')
    await client.query('update sluice.streams set closed_at = null')
  })
  tailer.wake([stream.id])
  await until('the stream continues elsewhere', () => closedAt.length > 0)

  t.strictSame(closedAt, [false])
})

t.test('so it is for a client that opens it when nobody follows it', async t => {
  const { pool, tailer, hub } = await startHub(t)
  const { rows } = await pool.query("select sluice.ensure_stream('acme', 'one', 'stream') as id")
  await pool.query('update sluice.streams set closed_at = now()')
  const closed = await hub.open('acme', 'one', {})
  t.equal(closed?.stream.closed, true)
  await tailer.close()
  closed?.release()

  await pool.query('update sluice.streams set closed_at = null')
  const open = await hub.open('acme', 'one', {})

  t.equal(open?.stream, closed?.stream)
  t.equal(open?.stream.closed, false)
  t.equal(open?.stream.id, rows[0].id)
})

/** A feed of three events that somebody follows, and that is closed. */
async function startClosed(t: Test) {
  const started = await startHub(t)
  await started.append(3)
  const handle = await started.hub.open('acme', 'feed', {})
  if (!handle) throw new Error('There is no feed.')
  t.teardown(() => handle.release())
  await started.pool.query('update sluice.streams set closed_at = now()')
  started.tailer.wake('all')
  await until('the stream is closed', () => handle.stream.closed)
  return { ...started, stream: handle.stream }
}

/** Two streams that are tailed; `deleted` are those that have learned of their deletion. */
async function start(t: Test) {
  const { pool } = await createDatabase(t)
  const deleted: number[] = []
  const open = async (name: string): Promise<TailedStream> => {
    const id = await ensureStream(pool, 'acme', name)
    const bounds = await readBounds(pool, id)
    if (!bounds) throw new Error('The stream is missing.')
    return {
      ...{ id, kind: 'stream', head: bounds.head, liveClients: 0 },
      receive() {},
      restart() {},
      onDeleted: () => deleted.push(id),
    }
  }
  const [one, other] = [await open('one'), await open('other')]
  const streams = new Map([one, other].map(stream => [stream.id, stream]))
  const ends = new StreamEnds(streams, ({ id }) => streams.delete(id))
  return { pool, ends, one, other, deleted }
}
