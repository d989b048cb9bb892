/** The SQL in the documents runs as it stands there, as the owner of the log; roles get a name of this test's own. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { fences, read } from '../../harness/document.js'
import { uniqueName } from '../../harness/server.js'

for (const [path, least] of [
  ['README.md', 2],
  ['docs/publishing-from-sql.md', 3],
  ['docs/operations.md', 3],
] as const) {
  t.test(`the SQL of ${path} does what it says`, async t => {
    const { pool } = await createDatabase(t)
    const role = uniqueName('role')
    await pool.query(`create role ${role}; grant ${role} to current_user`)
    t.teardown(() => pool.query(`drop owned by ${role}; drop role ${role}`))
    await pool.query('create table public.doors (id int primary key, open boolean)')
    const statements = fences(read(path)).filter(({ info }) => info === 'sql')

    for (const { text } of statements) {
      const sql = text.replace(/\bto app\b/g, `to ${role}`).replace('alter role sluice', `alter role ${role}`)
      await t.resolves(pool.query(sql), text)
    }

    t.ok(statements.length >= least)
  })
}

t.test('a watched table emits the documented events for the documented writes', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table public.doors (id int primary key, open boolean)')
  const sql = fences(read('docs/publishing-from-sql.md')).filter(({ info }) => info === 'sql')
  const [publish = '', watch = ''] = sql.map(({ text }) => text)

  await pool.query(watch)
  await pool.query('insert into doors values (7, false)')
  await pool.query(publish)
  await pool.query('truncate doors')

  const { rows } = await pool.query('select type, data from sluice.events order by position')
  t.strictSame(
    rows.map(({ type, data }) => `${type} ${data}`),
    [
      'door.created {"id":7,"open":false}',
      'door.updated {"id":7,"open":true}',
      'door.opened {"door": 7}',
      'door.truncated {}',
    ],
  )
})
