/** Every kind of statement that changes rows of a watched table: its events, and their order. */
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { connect, isDense, logged } from '../../harness/records.js'

async function prepared(test: Test, sql: string): Promise<Database> {
  const { pool } = await createDatabase(test)
  await pool.query(sql)
  return pool
}

async function told(pool: Database): Promise<string[]> {
  return (await logged(pool)).map(({ type, data }) => `${type} ${data}`)
}

const KEYED = `create table public.a (id int primary key, n int); select sluice.watch('public.a', workspace => 'w')`
const PLAIN = `create table public.a (id int, n int); select sluice.watch('public.a', workspace => 'w')`

t.test('each new row is paired with its old row, without a key, in the order of the statement', async t => {
  const pool = await prepared(t, PLAIN.replace(`'w')`, `'w', old => 'all')`))
  const count = 20_000
  await pool.query(
    `insert into public.a select n, 0 from generate_series(1, ${count}) n order by md5(n::text)`,
  )

  await pool.query(`update public.a set n = id, id = -id`)

  const updates = (await logged(pool)).slice(count).map(({ data }) => JSON.parse(data))
  t.equal(updates.length, count)
  t.strictSame(
    updates.filter(({ id, n, old }) => id !== -n || old.id !== n || old.n !== 0),
    [],
  )
  const created = (await logged(pool)).slice(0, count).map(({ data }) => JSON.parse(data).id)
  t.strictSame(
    updates.map(({ old }) => old.id),
    created,
  )
  t.ok(isDense(await logged(pool)))
  const ways = await pool.query('select fires_by from sluice.watches')
  t.strictSame(ways.rows, [{ fires_by: 'statement' }])
})

t.test('an upsert publishes its updates, then its inserts', async t => {
  const pool = await prepared(t, KEYED)
  await pool.query('insert into public.a values (2, 0), (4, 0)')

  await pool.query(`insert into public.a select n, 1 from generate_series(1, 4) n
    on conflict (id) do update set n = excluded.n`)

  t.strictSame((await told(pool)).slice(2), [
    'a.updated {"id":2,"n":1}',
    'a.updated {"id":4,"n":1}',
    'a.created {"id":1,"n":1}',
    'a.created {"id":3,"n":1}',
  ])
})

t.test('a MERGE publishes its deletes, then its updates, then its inserts', async t => {
  const pool = await prepared(t, KEYED)
  await pool.query('insert into public.a values (1, 0), (2, 0)')

  await pool.query(`merge into public.a using (values (1, 7), (2, 8), (3, 9)) as v (id, n) on a.id = v.id
    when matched and a.id = 1 then delete
    when matched then update set n = v.n
    when not matched then insert values (v.id, v.n)`)

  t.strictSame((await told(pool)).slice(2), [
    'a.deleted {"id":1,"n":0}',
    'a.updated {"id":2,"n":8}',
    'a.created {"id":3,"n":9}',
  ])
})

t.test('a row that an AFTER trigger changes again is created before it is updated', async t => {
  const pool = await prepared(
    t,
    `${KEYED};
     create function public.number() returns trigger language plpgsql as
       $$ begin update public.a set n = new.id * 10 where id = new.id; return null; end $$;
     create trigger again after insert on public.a for each row execute function public.number()`,
  )

  await pool.query('insert into public.a values (1), (2)')

  t.strictSame(await told(pool), [
    'a.created {"id":1,"n":null}',
    'a.created {"id":2,"n":null}',
    'a.updated {"id":1,"n":10}',
    'a.updated {"id":2,"n":20}',
  ])
})

t.test('a row that a BEFORE trigger replaces is deleted before it is created', async t => {
  const pool = await prepared(
    t,
    `${KEYED};
     create function public.replace_old() returns trigger language plpgsql as
       $$ begin delete from public.a where id = new.id; return new; end $$;
     create trigger replacing before insert on public.a for each row execute function public.replace_old()`,
  )

  await pool.query('insert into public.a values (1, 1)')
  await pool.query('insert into public.a values (1, 2)')

  t.strictSame(await told(pool), [
    'a.created {"id":1,"n":1}',
    'a.deleted {"id":1,"n":1}',
    'a.created {"id":1,"n":2}',
  ])
})

t.test(
  'cascades within one table publish every row once, and savepoints take their events along',
  async t => {
    const pool = await prepared(
      t,
      `create table public.a (id int primary key, up int references public.a on update cascade on delete cascade);
     select sluice.watch('public.a', workspace => 'w')`,
    )
    const client = await connect(t, pool)

    await client.query('insert into public.a values (1, null), (2, 1), (3, 2)')
    await client.query('update public.a set id = 9 where id = 1')
    await client.query('begin')
    await client.query('savepoint s')
    await client.query('update public.a set up = null')
    await client.query('rollback to s')
    await client.query('delete from public.a where id = 9')
    await client.query('commit')

    t.strictSame((await told(pool)).slice(3), [
      'a.updated {"id":9,"up":null}',
      'a.updated {"id":2,"up":9}',
      'a.deleted {"id":9,"up":null}',
      'a.deleted {"id":2,"up":9}',
      'a.deleted {"id":3,"up":2}',
    ])
  },
)

t.test('a statement with several parts publishes the changes of each', async t => {
  const pool = await prepared(t, PLAIN)
  await pool.query('insert into public.a values (1, 1)')

  await pool.query(`with gone as (delete from public.a returning *), kept as (insert into public.a values (5, 5))
    insert into public.a select id + 1, n from gone`)

  t.strictSame((await told(pool)).slice(1).sort(), [
    'a.created {"id":2,"n":1}',
    'a.created {"id":5,"n":5}',
    'a.deleted {"id":1,"n":1}',
  ])
})

t.test('a table that is watched by statement cannot silently become a partition or inherit', async t => {
  const pool = await prepared(
    t,
    `${PLAIN}; create table public.parts (id int, n int) partition by list (id); create table public.above (id int, n int)`,
  )
  const attach = 'alter table public.parts attach partition public.a for values in (1)'

  await t.rejects(pool.query(attach), { message: /sluice_watch_3_unwatch_before_you_attach/ })
  await t.rejects(pool.query('alter table public.a inherit public.above'), {
    message: /unwatch_before_you_attach/,
  })
  await pool.query(
    `select sluice.unwatch('public.a'); ${attach}; select sluice.watch('public.a', workspace => 'w')`,
  )
  await pool.query('insert into public.parts values (1, 1)')
  await pool.query('insert into public.a values (1, 2)')

  t.strictSame(await told(pool), ['a.created {"id":1,"n":1}', 'a.created {"id":1,"n":2}'])
})

t.test(
  'children and parents by inheritance publish their own rows, through whichever table they are written',
  async t => {
    const pool = await prepared(
      t,
      `create table public.a (id int); create table public.b (extra int) inherits (public.a);
     select sluice.watch('public.a', workspace => 'w'), sluice.watch('public.b', workspace => 'w')`,
    )

    await pool.query('insert into public.a values (1); insert into public.b values (2, 2)')
    await pool.query('update public.a set id = id + 10')

    t.strictSame((await told(pool)).sort(), [
      'a.created {"id":1}',
      'a.updated {"id":11}',
      'b.created {"id":2,"extra":2}',
      'b.updated {"id":12,"extra":2}',
    ])
  },
)

t.test(
  'enumerations, domains and ranges of the application show the same by statement and by row',
  async t => {
    const pool = await prepared(
      t,
      `create type public.mood as enum ('fine', 'odd'); create domain public.price as numeric check (value > 0);
     create type public.span as range (subtype = time);
     create table public.a (id int, mood public.mood, price public.price, span public.span, list int[]);
     create table public.b (like public.a);
     select sluice.watch('public.a', 'x', 'w'), sluice.watch('public.b', 'x', 'w', always => true)`,
    )

    for (const table of ['a', 'b']) {
      await pool.query(
        `insert into public.${table} values (1, 'fine', 1.50, '[10:00,12:00)', '{1,2}'), (2, null, null, null, null)`,
      )
    }

    const [first, second, ...others] = await told(pool)
    t.match(first, '{"id":1,"mood":"fine","price":1.50,"span":"[10:00:00,12:00:00)","list":[1,2]}')
    t.strictSame(others, [first, second])
    const ways = await pool.query('select fires_by from sluice.watches order by table_name::text')
    t.strictSame(ways.rows, [{ fires_by: 'statement' }, { fires_by: 'row' }])
  },
)

t.test(
  'a type of the application that gets a cast to JSON while its table is watched runs no code',
  async t => {
    const pool = await prepared(
      t,
      `create type public.mood as enum ('fine'); create table public.a (mood public.mood);
     select sluice.watch('public.a', workspace => 'w');
     create function public.spring(public.mood) returns json language plpgsql as $$ begin raise 'sprung'; end $$;
     create cast (public.mood as json) with function public.spring (public.mood)`,
    )

    await pool.query(`insert into public.a values ('fine')`)

    t.strictSame(await told(pool), ['a.created {"mood":"fine"}'])
  },
)

t.test('events of statements, calls and several tables keep their order in one transaction', async t => {
  const pool = await prepared(
    t,
    `${PLAIN}; create table public.b (id int); select sluice.watch('public.b', workspace => 'w')`,
  )
  const client = await connect(t, pool)

  await client.query('begin')
  await client.query('insert into public.a values (1, 1)')
  await client.query(`select sluice.publish('w', 'feed', 'said', '{}')`)
  await client.query('delete from public.a')
  await client.query('insert into public.b values (1)')
  await client.query('insert into public.a values (2, 2)')
  await client.query('commit')

  t.strictSame(
    (await logged(pool)).map(({ type }) => type),
    ['a.created', 'said', 'a.deleted', 'b.created', 'a.created'],
  )
})
