import { EventEmitter, once } from 'node:events'
import pg from 'pg'
import t from 'tap'
import { createPool, inTransaction } from '../../../src/database/pool.js'
import { sqlState } from '../../../src/problems/problem.js'
import { createDatabase } from '../../harness/database.js'

t.test('json arrives as the text that is stored, bigint as a number, timestamptz as a Date', async t => {
  const { pool } = await createDatabase(t)

  const { rows } = await pool.query(
    `select '{"b":  1, "a": 1.0}'::json as json, 9007199254740991::bigint as position, to_timestamp(0) as at`,
  )

  t.strictSame(rows, [{ json: '{"b":  1, "a": 1.0}', position: 9007199254740991, at: new Date(0) }])
})

t.test('a bigint that a number cannot hold fails the query instead of changing its value', async t => {
  const { pool } = await createDatabase(t)

  await t.rejects(pool.query('select 9007199254740993::bigint'), { name: 'RangeError' })

  t.strictSame((await pool.query('select 1::bigint as one')).rows, [{ one: 1 }], 'the pool goes on')
})

t.test('other pools and clients of the process keep their own types', async t => {
  const { url, pool } = await createDatabase(t)
  await pool.query('select 1')
  const client = new pg.Client(url)
  await client.connect()
  t.teardown(() => client.end())

  const { rows } = await client.query(`select 1::bigint as position, '{}'::json as json`)

  t.strictSame(rows, [{ position: '1', json: {} }])
})

t.test('every connection has an application name and a deadline in the server', async t => {
  const { url } = await createDatabase(t)
  const pool = createPool(url, { max: 1, name: 'sluice 7', onError: t.fail })
  t.teardown(() => pool.end())

  const { rows } = await pool.query(
    `select current_setting('application_name') as name, current_setting('statement_timeout') as deadline`,
  )

  t.strictSame(rows, [{ name: 'sluice 7', deadline: '30s' }])
})

t.test('for a pooler, no startup parameter is sent that it would refuse', async t => {
  const { url } = await createDatabase(t)
  const pool = createPool(url, { max: 1, name: 'pooled', pooled: true, onError: t.fail })
  t.teardown(() => pool.end())

  const { rows } = await pool.query(
    `select setting, reset_val as at_start from pg_settings where name = 'statement_timeout'`,
  )

  t.strictSame(rows, [{ setting: '30000', at_start: '0' }])
})

t.test('behind a pooler, a failed statement leaves its connection usable', async t => {
  const { url } = await createDatabase(t)
  const pool = createPool(url, { max: 1, name: 'pooled', pooled: true, onError: t.fail })
  t.teardown(() => pool.end())
  const session = async () => (await pool.query('select pg_backend_pid() as pid')).rows
  const before = await session()

  await t.rejects(pool.query('select 1 / 0'), { code: '22012' })

  t.strictSame(await session(), before)
})

t.test(
  'behind a pooler, a value that cannot be taken leaves no transaction open on its connection',
  async t => {
    const { url } = await createDatabase(t)
    const pool = createPool(url, { max: 1, name: 'pooled', pooled: true, onError: t.fail })
    t.teardown(() => pool.end())
    const at = 'select pg_backend_pid() as pid, now() as began'
    const { rows: before } = await pool.query(at)

    await t.rejects(pool.query('select 9007199254740993 as n, now() as began'), RangeError)

    const [{ rows: first }, { rows: second }] = [await pool.query(at), await pool.query(at)]
    t.equal(first[0].pid, before[0].pid)
    t.not(Number(first[0].began), Number(second[0].began), 'each statement has its own transaction')
    await inTransaction(pool, client => client.query('select 1'), 'repeatable read, read only')
  },
)

t.test('a transaction commits its work and returns the result', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table numbers (n int)')

  const result = await inTransaction(pool, async client => {
    await client.query('insert into numbers values (1)')
    return 'done'
  })

  t.equal(result, 'done')
  t.strictSame((await pool.query('select n from numbers')).rows, [{ n: 1 }])
})

t.test('an error of the work rolls back and is rethrown, and the connection stays in use', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table numbers (n int)')
  const fault = new Error('changed my mind')

  const outcome = inTransaction(pool, async client => {
    await client.query('insert into numbers values (1)')
    throw fault
  })

  await t.rejects(outcome, fault)
  t.strictSame((await pool.query('select n from numbers')).rows, [])
  t.equal(pool.totalCount, 1)
})

t.test('a failed statement that the work swallowed does not pass for a commit', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table numbers (n int)')

  const outcome = inTransaction(pool, async client => {
    await client.query('insert into numbers values (1)')
    await client.query('select 1 / 0').catch(() => undefined)
  })

  await t.rejects(outcome, /rolled back/)
  t.strictSame((await pool.query('select n from numbers')).rows, [])
})

t.test('a snapshot is read only and does not move', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table numbers (n int)')

  const counts = await inTransaction(
    pool,
    async client => {
      const before = await client.query('select count(*) as n from numbers')
      await pool.query('insert into numbers values (1)')
      const after = await client.query('select count(*) as n from numbers')
      return [...before.rows, ...after.rows]
    },
    'repeatable read, read only',
  )
  const write = inTransaction(
    pool,
    client => client.query('insert into numbers values (2)'),
    'repeatable read, read only',
  )

  t.strictSame(counts, [{ n: 0 }, { n: 0 }])
  await t.rejects(write, { code: '25006' })
})

t.test('a connection that cannot roll back is not used again', async t => {
  const { pool } = await createDatabase(t)

  const outcome = inTransaction(pool, async client => {
    t.intercept(client, 'query', { value: () => Promise.reject(new Error('no answer')) })
    throw new Error('changed my mind')
  })

  await t.rejects(outcome, { message: 'changed my mind' })
  t.equal(pool.totalCount, 0)
})

t.test('a connection that breaks in a transaction is reported, destroyed and replaced', async t => {
  const { url } = await createDatabase(t)
  const reported: Error[] = []
  const pool = createPool(url, { max: 1, name: 'breaks', onError: error => reported.push(error) })
  t.teardown(() => pool.end())

  const outcome = inTransaction(pool, async client => {
    await client.query('select pg_terminate_backend(pg_backend_pid())')
  })

  t.equal(sqlState(await outcome.catch(error => error)), '57P01')
  t.not(reported.length, 0)
  t.strictSame((await pool.query('select 1 as one')).rows, [{ one: 1 }])
  t.equal(pool.totalCount, 1)
})

t.test('an idle connection that breaks is reported and replaced', async t => {
  const { url, pool: admin } = await createDatabase(t)
  const reports = new EventEmitter()
  const pool = createPool(url, { max: 1, name: 'idle', onError: error => reports.emit('report', error) })
  t.teardown(() => pool.end())
  await pool.query('select 1')
  const reported = once(reports, 'report')

  await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'idle'`)

  t.equal(sqlState((await reported)[0]), '57P01')
  t.strictSame((await pool.query('select 1 as one')).rows, [{ one: 1 }])
})

t.test('a connection that the server cuts while the pool is being ended is not reported', async t => {
  const { url, pool: admin } = await createDatabase(t)
  const pool = createPool(url, { max: 1, name: 'ending', onError: t.fail })
  const client = await pool.connect()
  const cut = once(client, 'error')

  const ended = pool.end()
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ending'`,
  )

  t.equal(sqlState((await cut)[0]), '57P01')
  client.release()
  await ended
})
