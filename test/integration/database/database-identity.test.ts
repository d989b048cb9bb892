import t from 'tap'
import { databaseIdentity } from '../../../src/database/database-identity.js'
import { createDatabase } from '../../harness/database.js'

t.test('a copy of a database has another identity, and each database keeps its own', async t => {
  const { pool } = await createDatabase(t)
  const copy = await createDatabase(t)

  const [one, again, other] = await Promise.all([pool, pool, copy.pool].map(databaseIdentity))

  // Both are copies of the template of the tests.
  t.not(one?.cluster, other?.cluster)
  t.equal(one?.timeline, other?.timeline)
  t.strictSame(one, again)
  t.match(one?.cluster, /^[0-9]+-[0-9]+$/)
})

t.test('a role without any rights may ask', async t => {
  const { pool } = await createDatabase(t)
  const session = await pool.connect()
  t.teardown(() => session.release(true))
  await session.query('begin')
  await session.query('create role plain_asker')
  await session.query('set local role plain_asker')

  t.strictSame(await databaseIdentity(session), await databaseIdentity(pool))
})
