/** Watched tables: each change becomes its events, whichever role writes, by whichever statement. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { connect, logged, typesOf } from '../../harness/records.js'

const ORDERS = 'create table public.orders (id int primary key, tenant text, note text, big text, raw json)'

/** A database with a table that is watched as `sluice.watch('public.orders', <options>)` says. */
async function watched(test: Test, options: string, table = ORDERS): Promise<Database> {
  const { pool } = await createDatabase(test)
  await pool.query(table)
  await pool.query(`select sluice.watch('public.orders', ${options})`)
  return pool
}

/** `type data`, in order. */
async function told(pool: Database, workspace: string, stream?: string): Promise<string[]> {
  return (await logged(pool, stream, workspace)).map(({ type, data }) => `${type} ${data}`)
}

t.test('inserts, updates and deletes become events that show the row', async t => {
  const pool = await watched(t, `workspace => 'w'`, 'create table public.orders (id int, note text)')

  await pool.query(`insert into public.orders values (1, 'a'), (2, 'b')`)
  await pool.query(`update public.orders set note = 'c' where id = 1`)
  await pool.query(`delete from public.orders where id = 2`)

  t.strictSame(await told(pool, 'w'), [
    'orders.created {"id":1,"note":"a"}',
    'orders.created {"id":2,"note":"b"}',
    'orders.updated {"id":1,"note":"c"}',
    'orders.deleted {"id":2,"note":"b"}',
  ])
})

t.test('an event commits with its change or not at all', async t => {
  const pool = await watched(t, `workspace => 'w'`)
  const client = await connect(t, pool)

  await client.query('begin')
  await client.query(`insert into public.orders values (1), (2)`)
  await client.query('savepoint s')
  await client.query(`delete from public.orders`)
  await client.query('rollback to s')
  await client.query('commit')
  await client.query('begin')
  await client.query(`delete from public.orders`)
  await client.query('rollback')

  t.strictSame(await typesOf(pool), ['orders.created', 'orders.created'])
})

t.test(
  'a column names the workspace of a row, and a row that moves emits an event in both workspaces',
  async t => {
    const pool = await watched(
      t,
      `'order', workspace_column => 'tenant', stream => 'sales', columns => '{id}'`,
    )

    await pool.query(`insert into public.orders (id, tenant) values (1, 'acme'), (2, 'globex')`)
    await pool.query(`update public.orders set tenant = 'globex' where id = 1`)

    t.strictSame(await told(pool, 'acme', 'sales'), ['order.created {"id":1}', 'order.deleted {"id":1}'])
    t.strictSame(await told(pool, 'globex', 'sales'), ['order.created {"id":2}', 'order.created {"id":1}'])
  },
)

t.test('a row without a workspace emits no event', async t => {
  const pool = await watched(t, `workspace_column => 'tenant', columns => '{id}'`)

  await pool.query(`insert into public.orders (id) values (1)`)
  await pool.query(`update public.orders set note = 'x'`)
  await pool.query(`update public.orders set tenant = 'acme'`)
  await pool.query(`update public.orders set tenant = null`)
  await pool.query(`delete from public.orders`)
  await pool.query(`truncate public.orders`)

  t.strictSame(await told(pool, 'acme'), ['orders.created {"id":1}', 'orders.deleted {"id":1}'])
  t.equal((await pool.query('select from sluice.events')).rowCount, 2)
})

t.test('an update that changes no shown column emits no event', async t => {
  const pool = await watched(t, `workspace => 'w', columns => '{note,id}'`)
  await pool.query(`insert into public.orders (id, note, raw) values (1, 'a', '{"x":"\\u0000"}')`)

  await pool.query(`update public.orders set big = 'x', raw = '[]'`)
  await pool.query(`update public.orders set note = note`)
  await pool.query(`update public.orders set note = null`)

  t.strictSame(await told(pool, 'w'), [
    'orders.created {"note":"a","id":1}',
    'orders.updated {"note":null,"id":1}',
  ])
})

t.test('TRUNCATE emits an event in each workspace that loses rows', async t => {
  const pool = await watched(t, `workspace_column => 'tenant'`)
  await pool.query(`insert into public.orders (id, tenant) values (1, 'a'), (2, 'a'), (3, 'b'), (4, null)`)

  await pool.query('truncate public.orders')

  t.strictSame((await told(pool, 'a')).at(-1), 'orders.truncated {}')
  t.strictSame((await told(pool, 'b')).at(-1), 'orders.truncated {}')
  t.equal((await pool.query('select from sluice.events')).rowCount, 5)
  await pool.query(`select sluice.watch('public.orders', workspace => 'w')`)
  await pool.query('truncate public.orders')
  t.strictSame(
    await told(pool, 'w'),
    ['orders.truncated {}'],
    'a fixed workspace gets the event for an empty table too',
  )
})

t.test('rows keep values that JSON can hold and text cannot', async t => {
  const pool = await watched(t, `workspace_column => 'tenant'`)

  await pool.query(
    `insert into public.orders values (1, 'w', E'"\\\\{},\\n', 'é☃', '{"z" :"\\u0000\\ud800"}')`,
  )

  t.strictSame(await told(pool, 'w'), [
    'orders.created {"id":1,"tenant":"w","note":"\\"\\\\{},\\n","big":"é☃","raw":{"z" :"\\u0000\\ud800"}}',
  ])
})

t.test('columns of any name and type are shown', async t => {
  const pool = await watched(
    t,
    `workspace_column => 'Weird "name"', columns => '{r,"Weird \\"name\\"",mood,many,at}'`,
    `create type public.mood as enum ('fine');
     create table public.orders (r text, "Weird ""name""" uuid, mood public.mood, many int[], at timestamptz)`,
  )
  const workspace = '239dcf57-d72e-4a7a-a2c9-35c624017365'

  await pool.query(`insert into public.orders values ('x', '${workspace}', 'fine', '{1,2}', null)`)
  await pool.query('truncate public.orders')

  t.strictSame(await told(pool, workspace), [
    `orders.created {"r":"x","Weird \\"name\\"":"${workspace}","mood":"fine","many":[1,2],"at":null}`,
    'orders.truncated {}',
  ])
})

t.test(
  'COPY, upserts, cascades and several tables in one transaction emit events in their order',
  async t => {
    const pool = await watched(t, `workspace => 'w', columns => '{id,note}'`)
    const client = await connect(t, pool)
    await pool.query(`
    create table public.lines (id int primary key, order_id int references public.orders on delete cascade);
    select sluice.watch('public.lines', 'line', workspace => 'w', columns => '{id}')`)

    await client.query('begin')
    await client.query(`copy public.orders (id, note) from program 'printf "1\\ta\n2\\tb\n"'`)
    await client.query('insert into public.lines values (10, 1)')
    await client.query(`insert into public.orders (id) values (1) on conflict (id) do nothing`)
    await client.query(`insert into public.orders (id) values (2) on conflict (id) do update set note = 'c'`)
    await client.query('delete from public.orders where id = 1')
    await client.query('commit')

    t.strictSame(await told(pool, 'w'), [
      'orders.created {"id":1,"note":"a"}',
      'orders.created {"id":2,"note":"b"}',
      'line.created {"id":10}',
      'orders.updated {"id":2,"note":"c"}',
      'orders.deleted {"id":1,"note":"a"}',
      'line.deleted {"id":10}',
    ])
  },
)

t.test('partitioned tables are watched by their parent', async t => {
  const pool = await watched(
    t,
    `workspace => 'w'`,
    `create table public.orders (id int, note text) partition by range (id);
     create table public.low partition of public.orders for values from (0) to (10);
     create table public.high partition of public.orders for values from (10) to (20)`,
  )
  await pool.query('create table public.top partition of public.orders for values from (20) to (30)')

  await pool.query(`insert into public.orders values (1, 'a'), (11, 'b')`)
  await pool.query(`insert into public.top values (21, 'c')`)
  await pool.query('update public.orders set id = 12 where id = 1')
  await pool.query('truncate public.orders')

  t.strictSame(await told(pool, 'w'), [
    'orders.created {"id":1,"note":"a"}',
    'orders.created {"id":11,"note":"b"}',
    'orders.created {"id":21,"note":"c"}',
    'orders.deleted {"id":1,"note":"a"}',
    'orders.created {"id":12,"note":"a"}',
    'orders.truncated {}',
  ])
  await t.rejects(pool.query(`select sluice.watch('public.low', workspace => 'w')`), { code: 'SL003' })
  t.equal((await pool.query(`select sluice.unwatch('public.low') as was`)).rows[0].was, false)
})

t.test('watch replaces an earlier watch, and unwatch ends it', async t => {
  const pool = await watched(t, `workspace => 'w'`)
  await pool.query(`select sluice.watch('public.orders', 'order', workspace => 'w', columns => '{id}')`)
  await pool.query('insert into public.orders (id) values (1)')

  const first = await pool.query(`select sluice.unwatch('public.orders') as was`)
  const second = await pool.query(`select sluice.unwatch('public.orders') as was`)
  await pool.query('insert into public.orders (id) values (2)')
  await pool.query('truncate public.orders')

  t.strictSame(await told(pool, 'w'), ['order.created {"id":1}'])
  t.strictSame([first.rows[0].was, second.rows[0].was], [true, false])
})

t.test('the write of a row that fits into no event fails and names the remedy', async t => {
  const pool = await watched(t, `workspace_column => 'tenant'`)
  const insert = (tenant: string, big: string, raw: string) =>
    pool.query('insert into public.orders values (1, $1, null, $2, $3::json)', [tenant, big, raw])

  await t.rejects(insert('w', 'x'.repeat(262_144), '{}'), {
    code: 'SL002',
    message: /a row of the watched table public\.orders is \d+ bytes/,
    hint: /Watch fewer columns: select sluice\.watch\('public\.orders'/,
  })
  await t.rejects(insert('w', '', `${'['.repeat(64)}${']'.repeat(64)}`), { code: 'SL002', hint: /columns/ })
  await pool.query(`select sluice.watch('public.orders', workspace_column => 'tenant', columns => '{id}')`)
  await insert('w', 'x'.repeat(262_144), '{}')

  t.strictSame(await told(pool, 'w'), ['orders.created {"id":1}'])
})

t.test('a table that cannot be watched is refused with the remedy', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(
    `${ORDERS}; create view public.seen as select 1 as id; create table public."no good" (id int)`,
  )

  for (const [call, message] of [
    [`'public.orders'`, /either workspace or workspace_column/],
    [
      `'public.orders', workspace => 'w', workspace_column => 'tenant'`,
      /either workspace or workspace_column/,
    ],
    [`'public.orders', workspace => 'no good'`, /'no good' is not a workspace/],
    [`'public.orders', workspace => '$system'`, /'\$system' is not a workspace/],
    [`'public.orders', workspace => 'w', stream => 'no good'`, /'no good' is not a stream/],
    [`'public.orders', workspace => 'w', stream => null`, /NULL is not a stream/],
    [`'public.orders', 'no good', workspace => 'w'`, /'no good' cannot be the first part of a type/],
    [`'public.orders', '${'a'.repeat(119)}', workspace => 'w'`, /cannot be the first part of a type/],
    [`'public."no good"', workspace => 'w'`, /'no good' cannot be the first part of a type/],
    [`'public.orders', workspace_column => 'nope'`, /has no column nope/],
    [`'public.orders', workspace => 'w', columns => '{id,nope}'`, /has no column nope/],
    [`'public.orders', workspace => 'w', columns => '{id,ctid}'`, /has no column ctid/],
    [`'public.orders', workspace => 'w', columns => '{id,NULL}'`, /has no column null/],
    [`'public.orders', workspace => 'w', columns => '{}'`, /columns is empty/],
    [`'public.orders', workspace => 'w', columns => '{id,id}'`, /names a column twice/],
    [`'public.seen', workspace => 'w'`, /public\.seen is not a table/],
    [`'public.orders_pkey', workspace => 'w'`, /is not a table/],
    [`'sluice.events', workspace => 'w'`, /not a table of an application/],
    [`'pg_catalog.pg_class', workspace => 'w'`, /not a table of an application/],
    [`4294967295::oid::regclass, workspace => 'w'`, /there is no such table/],
    [`null, workspace => 'w'`, /there is no such table/],
  ] as const) {
    await t.rejects(pool.query(`select sluice.watch(${call})`), { code: 'SL003', message, hint: /\w/ }, call)
  }
})

t.test('only the owner of a table may watch it, and roles that write to it need no grant', async t => {
  const { pool } = await createDatabase(t)
  const [owner, writer] = [await connect(t, pool), await connect(t, pool)]
  const [owning, writing] = [await createRole(t, pool), await createRole(t, pool)]
  const { rows } = await pool.query(`select obj_description('sluice.watch'::regproc) as text`)
  const grants = /with: (grant .+;)$/.exec(rows[0].text)?.[1] ?? ''
  await pool.query(grants.replaceAll(' to app', ` to ${owning}`))
  await pool.query(`${ORDERS}; create schema theirs authorization ${owning}`)
  await owner.query(`
    set role ${owning};
    create table theirs.orders (id int);
    grant usage on schema theirs to ${writing}; grant insert on theirs.orders to ${writing}`)

  await t.rejects(owner.query(`select sluice.watch('public.orders', workspace => 'w')`), {
    code: 'SL003',
    message: /belongs to another role/,
  })
  await owner.query(`select sluice.watch('theirs.orders', workspace => 'w')`)
  await writer.query(`set role ${writing}; insert into theirs.orders values (1)`)

  t.strictSame(await typesOf(pool), ['orders.created'])
  await t.rejects(writer.query(`select sluice.unwatch('theirs.orders')`), { code: '42501' })
  await t.rejects(writer.query(`select sluice.publish('w', 'feed', 'a', '{}')`), { code: '42501' })
})

t.test(
  'a cast to JSON that the owner of a type has defined never runs with the rights of the log',
  async t => {
    const { pool } = await createDatabase(t)
    const owner = await connect(t, pool)
    const role = await createRole(t, pool)
    const { rows } = await pool.query(
      `select current_user as name, obj_description('sluice.watch'::regproc) as text`,
    )
    const grants = /with: (grant .+;)$/.exec(rows[0].text)?.[1] ?? ''
    await pool.query(grants.replaceAll(' to app', ` to ${role}`))
    await pool.query(`create schema theirs authorization ${role}`)

    await owner.query(`
    set role ${role};
    create type theirs.trap as enum ('x');
    create table theirs.ran_as (name text);
    create function theirs.spring(theirs.trap) returns json language plpgsql as
      $$ begin insert into theirs.ran_as values (current_user); return '"sprung"'; end $$;
    create cast (theirs.trap as json) with function theirs.spring (theirs.trap);
    create table theirs.orders (id int, trap theirs.trap);
    select sluice.watch('theirs.orders', workspace => 'w');
    insert into theirs.orders values (1, 'x')`)

    const ran = await pool.query('select distinct name from theirs.ran_as')
    t.strictSame(ran.rows, [{ name: role }])
    t.strictSame(await told(pool, 'w'), ['orders.created {"id":1,"trap":"sprung"}'])
  },
)

t.test('an event that was described but not published is not published later', async t => {
  const pool = await watched(t, `workspace => 'w', columns => '{id}', always => true`)
  const client = await connect(t, pool)
  await client.query('begin')
  await client.query('insert into public.orders (id) values (1)')
  await client.query('alter table public.orders disable trigger sluice_watch_1_describe')

  await client.query('insert into public.orders (id) values (2)')
  await client.query('commit')

  t.strictSame(await told(pool, 'w'), ['orders.created {"id":1}'])
})

/** Roles belong to the server, not to the database of this test: dropped again with what they own here. */
async function createRole(test: Test, database: Database): Promise<string> {
  const role = `sluice_test_${randomBytes(6).toString('hex')}`
  await database.query(`create role ${role}; grant ${role} to current_user`)
  test.teardown(() => database.query(`drop owned by ${role} cascade; drop role ${role}`))
  return role
}
