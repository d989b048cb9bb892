/** Backfill: the rows that a watched table has already become events, and a follower ends with the table's last state. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect, logged, untilBlocked } from '../../harness/records.js'

interface Batch {
  readonly published: number
  readonly total: number
  readonly done: boolean
}

type Queryable = Pick<Database, 'query'>

async function backfill(database: Queryable, options = '', table = 'orders'): Promise<Batch> {
  const { rows } = await database.query<Batch>(
    `select published::int, total::int, done from sluice.backfill('public.${table}'${options && `, ${options}`})`,
  )
  const [batch] = rows
  if (!batch) throw new Error('A batch returns one row.')
  return batch
}

/** A watched table with rows from before it was watched. */
async function watched(
  test: Test,
  { rows = 10, watch = `workspace => 'w', columns => '{id,note}'` } = {},
): Promise<Database> {
  const { pool } = await createDatabase(test)
  await pool.query(`
    create table public.orders (id int primary key, tenant text, note text);
    insert into public.orders select n, 'w', 'n' || n from generate_series(1, ${rows}) n;
    select sluice.watch('public.orders', 'order', ${watch})`)
  return pool
}

async function events(pool: Database, workspace?: string, stream?: string): Promise<string[]> {
  return (await logged(pool, stream, workspace)).map(({ type, data }) => `${type} ${data}`)
}

t.test('each call publishes the next rows as the watch would, until all are published', async t => {
  const pool = await watched(t, { rows: 5 })

  const batches = [await backfill(pool, 'batch => 2'), await backfill(pool, 'batch => 2')]
  batches.push(await backfill(pool, 'batch => 2'), await backfill(pool, 'batch => 2'))

  t.strictSame(batches, [
    { published: 2, total: 2, done: false },
    { published: 2, total: 4, done: false },
    { published: 1, total: 5, done: true },
    { published: 0, total: 5, done: true },
  ])
  t.strictSame(
    await events(pool),
    [1, 2, 3, 4, 5].map(n => `order.backfilled {"id":${n},"note":"n${n}"}`),
  )
})

t.test('a batch that is rolled back is published by the next call', async t => {
  const pool = await watched(t, { rows: 4 })
  const client = await connect(t, pool)
  await backfill(pool, 'batch => 2')

  await client.query('begin')
  await backfill(client, 'batch => 2')
  await client.query('rollback')
  const batch = await backfill(pool, 'batch => 2')

  t.strictSame(batch, { published: 2, total: 4, done: true })
  t.equal((await events(pool)).length, 4)
})

t.test(
  'rows go to their own workspaces, under the type that clients know, and once more for another run',
  async t => {
    const pool = await watched(t, { rows: 2, watch: `workspace_column => 'tenant', columns => '{id}'` })
    await pool.query(`insert into public.orders values (3, null, ''), (4, 'other', '')`)

    await backfill(pool, `"as" => 'created'`)
    await backfill(pool, `run => 'again'`)

    t.strictSame(await events(pool), [
      'order.created {"id":1}',
      'order.created {"id":2}',
      'order.backfilled {"id":1}',
      'order.backfilled {"id":2}',
    ])
    t.strictSame(await events(pool, 'other'), [
      'order.created {"id":4}',
      'order.created {"id":4}',
      'order.backfilled {"id":4}',
    ])
  },
)

t.test('the stream, the condition and the columns of the watch hold for existing rows too', async t => {
  const pool = await watched(t, { rows: 0, watch: `workspace => 'w'` })
  await pool.query(`
    insert into public.orders values (1, 'ada', 'x'), (2, 'bob', 'y'), (3, 'no stream', 'x'), (4, null, 'x'), (5, 'ada', 'x');
    delete from public.orders where id = 3;
    select sluice.watch('public.orders', 'order', workspace => 'w', columns => '{note,id}', stream => $$'user/' || new.tenant$$,
      condition => $$new.note = 'x' or old.id > 0 -- a comment$$);
    set session_replication_role = replica; insert into public.orders values (6, 'no name', 'x'); reset session_replication_role`)

  const batch = await backfill(pool)

  t.strictSame(batch, { published: 2, total: 2, done: true })
  t.strictSame(await events(pool, 'w', 'user/ada'), [
    'order.backfilled {"note":"x","id":1}',
    'order.backfilled {"note":"x","id":5}',
  ])
  const { rows } = await pool.query('select unpublished_rows::int as n from sluice.watches')
  t.equal(rows[0]?.n, 1)
})

t.test('rows that are inserted behind the last one are left to the watch', async t => {
  const pool = await watched(t, { rows: 3 })
  await backfill(pool, 'batch => 1')

  await pool.query(`insert into public.orders values (4, 'w', 'new')`)
  const batch = await backfill(pool)

  t.strictSame(batch, { published: 2, total: 3, done: true })
  t.equal((await events(pool)).filter(event => event.includes('"id":4')).length, 1)
})

t.test('keys of several columns and of any type are read in order, each row once', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`
    create table public.parts ("Größe %" numeric, at timestamptz, name text collate "C", flag bytea, primary key (name, "Größe %", at, flag));
    insert into public.parts
      select n % 3 / 7.0, 'epoch'::timestamptz + n * interval '1 microsecond', chr(64 + n % 5) || '''\\', decode(lpad(to_hex(n), 4, '0'), 'hex')
        from generate_series(1, 200) n;
    select sluice.watch('public.parts', workspace => 'w')`)

  const batches = []
  while (!batches.at(-1)?.done) batches.push(await backfill(pool, 'batch => 7', 'parts'))

  const found = await events(pool)
  t.equal(found.length, 200)
  t.equal(new Set(found).size, 200)
  t.equal(batches.length, 29)
})

t.test('a batch waits for a locked row only while it holds no other', async t => {
  const pool = await watched(t, { rows: 20 })
  const writer = await connect(t, pool)
  const filler = await connect(t, pool)
  const pid = await backendOf(filler)
  await writer.query('begin')
  await writer.query(`update public.orders set note = 'locked' where id = 11`)

  const first = await backfill(filler, 'batch => 20')
  while ((await events(pool)).length < 10) await backfill(filler, 'batch => 20')
  const blocked = backfill(filler, 'batch => 20')
  await untilBlocked(pool, pid)
  // It would wait for the batch if that held this row.
  await writer.query(`update public.orders set note = 'free' where id in (1, 10, 12, 20)`)
  await writer.query('commit')
  const last = await blocked

  t.ok(first.published > 0 && first.published <= 10)
  t.equal(last.published, 1)
  t.strictSame((await events(pool)).at(-1), 'order.backfilled {"id":11,"note":"locked"}')
})

for (const isolation of ['read committed', 'repeatable read'] as const) {
  t.test(`a follower ends with the table, whatever is written meanwhile (${isolation})`, async t => {
    const pool = await watched(t, { rows: 400, watch: `workspace => 'w'` })
    let filling = true
    const filler = await connect(t, pool)
    const fill = async () => {
      for (let done = false; !done; ) {
        await filler.query(`begin isolation level ${isolation}`)
        try {
          done = (await backfill(filler, 'batch => 9')).done
          await filler.query('commit')
        } catch (error) {
          await filler.query('rollback')
          if (Reflect.get(Object(error), 'code') !== '40001') throw error
          done = false
        }
      }
      filling = false
    }
    let written = 0
    const write = async (writer: number) => {
      const client = await connect(t, pool)
      for (let n = 0; filling; n += 1) {
        const id = 1 + ((n * 7 + writer * 131) % 420)
        const change = [
          `update public.orders set note = '${writer}.${n}' where id = ${id}`,
          `delete from public.orders where id = ${id}`,
          `insert into public.orders values (${id}, 'w', 'new ${n}') on conflict (id) do update set note = excluded.note`,
          `update public.orders set note = note || '+' where id between ${id} and ${id + 3}`,
        ][n % 4]
        await client.query('begin')
        await client.query(change ?? '')
        // Between the change and its commit a batch finds the row locked.
        if (n % 3 === 0) await client.query('select from public.orders where id = 1')
        await client.query('commit').then(() => (written += 1))
      }
    }

    await Promise.all([fill(), write(1), write(2), write(3)])

    const followed = new Map<number, string>()
    for (const { type, data } of await logged(pool)) {
      const row: { id: number; note: string } = JSON.parse(data)
      if (type === 'order.deleted') followed.delete(row.id)
      else followed.set(row.id, row.note)
    }
    const { rows } = await pool.query<{ id: number; note: string }>('select id, note from public.orders')
    const table = new Map(rows.map(({ id, note }) => [id, note]))
    const differing = [...new Set([...table.keys(), ...followed.keys()])].filter(
      id => table.get(id) !== followed.get(id),
    )
    t.strictSame(differing, [])
    t.ok(written > 50, `${written} transactions wrote meanwhile`)
  })
}

t.test('two callers share the work, and no row is published twice', async t => {
  const pool = await watched(t, { rows: 60 })
  const work = async () => {
    while (!(await backfill(pool, 'batch => 5')).done);
  }

  await Promise.all([work(), work()])

  const found = await events(pool)
  t.equal(found.length, 60)
  t.equal(new Set(found).size, 60)
})

t.test('what cannot be backfilled is refused, with the remedy', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`
    create table public.orders (id int primary key);
    create table public.keyless (id int, code text unique);
    create table public.hidden (id int primary key);
    select sluice.watch('public.keyless', workspace => 'w'), sluice.watch('public.hidden', workspace => 'w')`)
  const refused = async (run: Promise<unknown>) =>
    await run.then(
      () => 'accepted',
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    )

  const messages = [
    await refused(backfill(pool)),
    await refused(backfill(pool, '', 'keyless')),
    await refused(backfill(pool, `"as" => 'deleted'`, 'hidden')),
    await refused(backfill(pool, 'batch => 0', 'hidden')),
  ]

  t.strictSame(messages, [
    'SL003 invalid watch: public.orders is not watched, or since a version without backfill',
    'SL003 invalid watch: public.keyless has no key by which its rows can be read in order',
    `SL003 invalid watch: 'deleted' cannot be the last part of the type of a row that exists`,
    'SL003 invalid watch: batch is not a number from 1 to 10000',
  ])
})

t.test(
  'the parts of a backfill refuse a table of another role, even with the rights to call them',
  async t => {
    const pool = await watched(t, { rows: 2 })
    const role = `sluice_test_${randomBytes(6).toString('hex')}`
    await pool.query(`create role ${role}; grant ${role} to current_user; grant usage on schema sluice to ${role};
    grant execute on function sluice.backfill, sluice.backfill_key, sluice.backfill_progress, sluice.publish_backfilled,
      sluice.refuse_watch to ${role}`)
    t.teardown(() => pool.query(`drop owned by ${role} cascade; drop role ${role}`))
    const other = await connect(t, pool)
    await other.query(`set role ${role}`)
    const refusal = { code: 'SL003', message: 'invalid watch: public.orders belongs to another role' }

    await t.rejects(other.query(`select sluice.backfill('public.orders')`), refusal)
    await t.rejects(other.query(`select sluice.backfill_progress('public.orders', 'first')`), refusal)
    await t.rejects(
      other.query(
        `select sluice.publish_backfilled('public.orders', 'first', '{2}', '{2}', 'order.forged', true, '{w}', '{feed}', '{"{}"}')`,
      ),
      refusal,
    )
    t.strictSame((await pool.query('select from sluice.backfills')).rowCount, 0)

    await pool.query(`grant create on schema public to ${role}; alter table public.orders owner to ${role}`)
    t.strictSame(await backfill(other), { published: 2, total: 2, done: true })
  },
)
