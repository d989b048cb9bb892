import t, { type Test } from 'tap'
import { StreamEnds } from '../../../src/hub/stream-ends.js'
import type { TailedStream } from '../../../src/hub/tailed-stream.js'
import { ensureStream, readBounds } from '../../../src/log/log.js'
import { createDatabase } from '../../harness/database.js'
import { observed } from '../../harness/hub.js'

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
