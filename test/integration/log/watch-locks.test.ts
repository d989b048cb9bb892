/** What sluice.watch locks, what a write to a watched table reads, and the errors that name the right fault. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect, logged, untilBlocked } from '../../harness/records.js'

t.test('others read and write a table while watch looks through its rows', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`
    create table public.doors (id int, owner text);
    create table public.gate ();
    insert into public.doors values (1, 'ada');
    create function public.checked(owner text) returns text language plpgsql as
      $$ begin lock table public.gate in access share mode; return 'user/' || owner; end $$`)
  const gate = await connect(t, pool)
  const watcher = await connect(t, pool)
  await gate.query('begin; lock table public.gate')

  const pid = await backendOf(watcher)
  const watched = watcher.query(
    `select sluice.watch('public.doors', 'door', workspace => 'w', stream => 'public.checked(new.owner)')`,
  )
  await untilBlocked(pool, pid)
  await pool.query(
    `set local lock_timeout = '1ms'; table public.doors; insert into public.doors values (2, 'bob')`,
  )
  await gate.query('commit')
  await watched

  await pool.query(`insert into public.doors values (3, 'cy')`)
  t.equal((await logged(pool, 'user/cy')).length, 1)
})

t.test('a lock that is not given is no fault of the expression', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('create table public.doors (id int, open boolean)')
  const writer = await connect(t, pool)
  const watcher = await connect(t, pool)
  await writer.query('begin; insert into public.doors values (1, true)')

  await watcher.query(`set lock_timeout = '1ms'`)
  for (const options of [`condition => 'new.open'`, `stream => $$'door/' || new.id$$`])
    await t.rejects(watcher.query(`select sluice.watch('public.doors', workspace => 'w', ${options})`), {
      code: '55P03',
    })
  await writer.query('rollback')
})

t.test('a write of a row reads none of its long values that events do not contain', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`
    create table public.files (id int primary key, name text, content bytea);
    alter table public.files alter column content set storage external;
    select sluice.watch('public.files', 'file', workspace => 'w', columns => '{id,name}');
    insert into public.files values (1, 'a', decode(repeat('00', 4000000), 'hex'))`)
  const client = await connect(t, pool)
  const before = await longBlocksRead(client)

  await client.query(`update public.files set name = 'b'`)

  t.ok((await longBlocksRead(client)) - before < 100, 'it reads no long value')
  t.strictSame(
    (await logged(pool)).map(({ data }) => data),
    ['{"id":1,"name":"a"}', '{"id":1,"name":"b"}'],
  )
})

t.test('the error of a row that is too large says so, also if its JSON cannot be taken apart', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`
    create table public.notes (id int primary key, extra json, text text);
    select sluice.watch('public.notes', 'note', workspace => 'w')`)

  await t.rejects(pool.query(`insert into public.notes values (1, '{"a":"\\u0000"}', repeat('x', 300000))`), {
    code: 'SL002',
    message: /a row of the watched table public.notes is 3\d+ bytes/,
  })
})

async function longBlocksRead(client: Pick<Database, 'query'>): Promise<number> {
  await client.query('select pg_stat_force_next_flush()')
  const { rows } = await client.query<{ blocks: number }>(
    `select (toast_blks_hit + toast_blks_read)::int as blocks from pg_statio_user_tables where relname = 'files'`,
  )
  return rows[0]?.blocks ?? 0
}
