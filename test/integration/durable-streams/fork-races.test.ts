/** The deletion of a source while another transaction deletes the last fork of it. */
import t from 'tap'
import { backendOf, connect, untilBlocked } from '../../harness/records.js'
import { ADA, openStore } from './store.js'

for (const [first, second] of [
  ['fork', 'source'],
  ['source', 'fork'],
] as const) {
  t.test(`nothing stays of a source that is deleted with its last fork, the ${first} first`, async t => {
    const { streams, pool } = await openStore(t)
    await streams.create(ADA, 'source', { contentType: 'text/plain' })
    await streams.create(ADA, 'fork', { fork: { from: 'source' } })
    const [one, other] = [await connect(t, pool), await connect(t, pool)]
    const remove = 'select sluice.remove_durable($1, $2)'

    await one.query('begin')
    await one.query(remove, ['w', first])
    const pid = await backendOf(other)
    let isDone = false
    const removed = other.query(remove, ['w', second]).then(() => {
      isDone = true
    })
    await Promise.race([removed, untilBlocked(pool, pid)])
    await one.query('commit')
    await removed

    t.ok(isDone)
    const { rows } = await pool.query('select name from sluice.durable_streams')
    t.strictSame(rows, [])
  })
}
