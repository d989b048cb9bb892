/** A heartbeat that the database has done, and whose answer never came. */
import type pg from 'pg'
import t from 'tap'
import { Cluster } from '../../../src/cluster/cluster.js'
import { createDatabase } from '../../harness/database.js'
import { silent } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

const EVERY_MS = 20
const NOTHING = { total: 0, byKind: {} }

t.test('a row that a heartbeat without an answer has inserted counts as new', async t => {
  const { pool } = await createDatabase(t)
  let [losesAnswers, lost] = [false, 0]
  const query = async (statement: pg.QueryConfig) => {
    const answer = await pool.query(statement)
    if (!losesAnswers) return answer
    lost += 1
    throw new Error('The answer was lost.')
  }
  const cluster = new Cluster({
    database: new Proxy(pool, { get: (own, name) => (name === 'query' ? query : Reflect.get(own, name)) }),
    logger: silent,
    everyMs: EVERY_MS,
    figures: () => ({
      mode: 'normal',
      lagMs: 0,
      clients: NOTHING,
      streams: [],
      bus: { kind: 'postgres', status: 'listening' },
    }),
  })
  t.teardown(() => cluster.close())
  cluster.start()
  await until('all have seen its row', () => cluster.joins > 0 && !cluster.mayBeUnknown)
  const { joins } = cluster

  losesAnswers = true
  await pool.query('truncate sluice.nodes cascade')
  await until('its row is back', async () => (await pool.query('select from sluice.nodes')).rowCount === 1)
  const before = lost
  await until('the next answer is lost', () => lost > before)
  losesAnswers = false

  // Others may have missed the row before, and presence that was stored beside it is gone.
  await until('it knows that its row is new', () => cluster.joins > joins)
  t.equal(cluster.mayBeUnknown, true)
})
