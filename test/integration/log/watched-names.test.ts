/** A table may have columns of any name, be renamed, and be written to through a view of another schema while it is watched. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { connect, logged } from '../../harness/records.js'

/** Names that the statements of the triggers use themselves. */
const NAMES = [
  't',
  'r',
  'c',
  'n',
  'o',
  'new',
  'old',
  'place',
  'data',
  'row',
  'line',
  'workspace',
  'stream',
  'half',
]
const WATCHES = [
  `workspace => 'w'`,
  `workspace => 'w', columns => '{id,${NAMES}}'`,
  `workspace_column => 'workspace', condition => 'new.place > 0 or old.place > 0'`,
  `workspace => 'w', stream => $$case when new.t > 0 then 'feed' end$$`,
  `workspace => 'w', columns => '{id,${NAMES}}', always => true, condition => 'new.t > 0 or old.t > 0'`,
]

for (const [place, watch] of WATCHES.entries()) {
  t.test(`no name of a column fails a write: ${watch}`, async t => {
    const { pool } = await createDatabase(t)
    const types = NAMES.map(
      name => `"${name}" ${name === 'workspace' ? `text default 'w'` : 'int default 1'}`,
    )
    await pool.query(`
      create table public.odd (id int primary key, ${types.join(', ')});
      select sluice.watch('public.odd', ${watch})`)

    await pool.query('insert into public.odd (id) values (1)')
    await pool.query('insert into public.odd (id) values (2), (3)')
    await pool.query('update public.odd set t = 2 where id = 1')
    await pool.query('update public.odd set t = 2 where id > 1')
    await pool.query('delete from public.odd where id = 1')
    await pool.query('delete from public.odd')

    const rows = await logged(pool)
    t.strictSame(
      rows.map(({ type, data }) => `${type} ${JSON.parse(data).id} ${JSON.parse(data).t}`),
      ['created 1 1', 'created 2 1', 'created 3 1', 'updated 1 2', 'updated 2 2', 'updated 3 2']
        .concat(['deleted 1 2', 'deleted 2 2', 'deleted 3 2'])
        .map(line => `odd.${line}`),
      `way ${place}`,
    )
    t.strictSame(Object.keys(JSON.parse(rows[0]?.data ?? '')), ['id', ...NAMES])
  })
}

t.test('a TRUNCATE of a table that was renamed reaches the streams of its rows', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`
    create table public.tasks (id int, tenant text);
    select sluice.watch('public.tasks', 'task', workspace_column => 'tenant', stream => $$'user/' || new.id$$);
    alter table public.tasks rename to old_tasks;
    create table public.tasks (id int, tenant text);
    insert into public.tasks values (1, 'w');
    insert into public.old_tasks values (2, 'w')`)

  await pool.query('truncate public.old_tasks')

  t.strictSame(await typesIn(pool, 'user/2'), ['task.created', 'task.truncated'])
  t.strictSame(await typesIn(pool, 'user/1'), [])
})

for (const way of ['always => false', 'always => true'])
  t.test(`a writer through a view needs no right on the schema of the table, ${way}`, async t => {
    const { pool } = await createDatabase(t)
    const writer = await writerOf(t, pool)
    await pool.query(`
      create schema private;
      create table private.doors (id int, open boolean);
      create view public.doors as select * from private.doors;
      grant usage on schema public to ${writer};
      grant all on public.doors to ${writer};
      select sluice.watch('private.doors', 'door', workspace => 'w', condition => 'new.id > 0 or old.id > 0', ${way})`)
    const client = await connect(t, pool)
    await client.query(`set role ${writer}`)

    await client.query('insert into public.doors values (1, true)')
    await client.query('insert into public.doors values (2, true), (3, true)')
    await client.query('update public.doors set open = false')
    await client.query('delete from public.doors')

    const types = ['created', 'updated', 'deleted'].flatMap(change => Array(3).fill(`door.${change}`))
    t.strictSame(await typesIn(pool, 'feed'), types)
  })

t.test('a virtual column may name the workspace and use columns that events contain', async t => {
  const { pool } = await createDatabase(t)
  const { rows } = await pool.query(`select current_setting('server_version_num')::int >= 180000 as virtual`)
  if (!rows[0]?.virtual) return
  await pool.query(`
    create table public.prices (net int, tenant text generated always as (case when net > 0 then 'w' end));
    select sluice.watch('public.prices', 'price', workspace_column => 'tenant')`)

  await pool.query('insert into public.prices values (1)')
  await pool.query('insert into public.prices values (2), (0)')

  t.strictSame(
    (await logged(pool)).map(({ data }) => data),
    ['{"net":1,"tenant":"w"}', '{"net":2,"tenant":"w"}'],
  )
})

async function typesIn(pool: Database, stream: string): Promise<string[]> {
  return (await logged(pool, stream)).map(({ type }) => type)
}

async function writerOf(t: Test, pool: Database): Promise<string> {
  const role = `sluice_test_${randomBytes(6).toString('hex')}`
  await pool.query(`create role ${role}; grant ${role} to current_user`)
  t.teardown(() => pool.query(`drop owned by ${role} cascade; drop role ${role}`))
  return role
}
