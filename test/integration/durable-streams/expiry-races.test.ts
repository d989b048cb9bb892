/** Two processes that delete what has expired at the same time. */
import t from 'tap'
import { backendOf, connect, untilBlocked } from '../../harness/records.js'
import { ADA, openStore } from './store.js'

const EXPIRE = 'select array_to_json(sluice.expire_durable(20)) as removed'

t.test('forks of the same deleted sources expire in two processes without a deadlock', async t => {
  const { streams, pool } = await openStore(t)
  for (const source of ['x', 'y']) await streams.create(ADA, source, { contentType: 'text/plain' })
  // In the order of their numbers, so that the first process meets x before y, and the second one y before x.
  for (const fork of ['x1', 'y1', 'y2', 'x2'])
    await streams.create(ADA, fork, { ttl: '10', fork: { from: fork.slice(0, 1) } })
  for (const source of ['x', 'y']) await streams.remove(ADA, source, { ofAll: true })
  await pool.query(
    `update sluice.durable_streams set expires_at = expires_at - interval '12 s' where ttl is not null`,
  )
  const [ofSecond, within, one, other] = await Promise.all([1, 2, 3, 4].map(() => connect(t, pool)))
  if (!ofSecond || !within || !one || !other) throw new Error('Four connections are needed.')
  await ofSecond.query(`begin; select from sluice.streams where name in ('x2', 'y2') for update`)
  await within.query(`begin; select from sluice.durable_streams where name = 'y1' for update`)

  const pids = await Promise.all([one, other].map(backendOf))
  const first = one.query(EXPIRE)
  const isOver = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      () => undefined,
    )
  await Promise.race([isOver(first), untilBlocked(pool, pids[0] ?? 0)])
  await ofSecond.query('rollback')
  const second = other.query(EXPIRE)
  await Promise.race([isOver(second), untilBlocked(pool, pids[1] ?? 0)])
  await within.query('rollback')
  const both = await Promise.allSettled([first, second])

  t.strictSame(
    both.map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
  )
  let left = 4
  while ((await pool.query(EXPIRE)).rows[0].removed !== '[]') left -= 1
  t.ok(left > 0, 'each turn deletes something')
  t.equal(
    (await pool.query('select from sluice.durable_streams')).rowCount,
    0,
    'the sources go with their last forks',
  )
})
