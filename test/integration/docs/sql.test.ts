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
    if (path !== 'docs/publishing-from-sql.md') {
      await pool.query('create table public.doors (id int primary key, open boolean)')
    }
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
  const sql = fences(read('docs/publishing-from-sql.md')).filter(({ info }) => info === 'sql')
  const [table = '', publish = '', watch = ''] = sql.map(({ text }) => text)

  await pool.query(table)
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

t.test('the documented arguments of watch are those that it has', async t => {
  const { pool } = await createDatabase(t)
  const [, section = ''] = read('docs/publishing-from-sql.md').split(/^## (?=watch$)/m)
  const [table = ''] = section.split(/^- /m)

  const documented = Array.from(table.matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name)

  const { rows } = await pool.query(
    `select proargnames as names from pg_proc where oid = 'sluice.watch'::regproc`,
  )
  t.strictSame(documented.toSorted(), rows[0].names.toSorted())
})

t.test('the documented grants are all that the owner of a table needs', async t => {
  const { pool } = await createDatabase(t)
  const role = uniqueName('role')
  await pool.query(
    `create role ${role}; grant ${role} to current_user; create schema theirs authorization ${role}`,
  )
  t.teardown(() => pool.query(`drop owned by ${role} cascade; drop role ${role}`))
  const [, section = ''] = read('docs/publishing-from-sql.md').split(/^## (?=Roles and grants$)/m)
  const [grants = ''] = section.split(/^## /m)
  for (const { text } of fences(grants)) await pool.query(text.replace(/\bto app\b/g, `to ${role}`))

  await pool.query(`
    set role ${role};
    begin;
    create table theirs.doors (id int primary key, open boolean);
    select sluice.watch('theirs.doors', workspace => 'w', old => 'changed');
    insert into theirs.doors values (7, false);
    select sluice.backfill('theirs.doors');
    select sluice.watch('theirs.doors', workspace => 'w', stream => $$'door/' || new.id$$, condition => 'new.open', always => true);
    update theirs.doors set open = true;
    truncate theirs.doors;
    select sluice.unwatch('theirs.doors');
    commit;
    select sluice.redact('w', 'feed', 1, 'request 118');
    reset role`)

  const { rows } = await pool.query(
    `select s.name || ' ' || e.type as event from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'w' order by s.name, e."position"`,
  )
  t.strictSame(
    rows.map(({ event }) => event),
    [
      'door/7 doors.updated',
      'door/7 doors.truncated',
      'feed doors.created',
      'feed doors.backfilled',
      'feed event.redacted',
    ],
  )
})
