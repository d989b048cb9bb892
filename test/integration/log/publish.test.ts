/** I2: what an application publishes from SQL commits with its change or not at all, and holds up nobody. */
import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { backendOf, connect, isDense, logged, typesOf, untilBlocked } from '../../harness/records.js'

const publish = (client: Database | pg.PoolClient, type: string, stream = 'feed') =>
  client.query<{ id: string }>(`select sluice.publish('w', $2, $1, '{}') as id`, [type, stream])

t.test(
  'events are stored at COMMIT, in the order of the calls, under the ids that the calls returned',
  async t => {
    const { pool } = await createDatabase(t)
    const client = await connect(t, pool)
    await client.query('begin')
    const ids: (string | undefined)[] = []
    for (const type of ['a', 'b', 'c']) ids.push((await publish(client, type)).rows[0]?.id)
    t.strictSame(await logged(pool), [])

    await client.query('commit')

    t.strictSame(await typesOf(pool), ['a', 'b', 'c'])
    t.strictSame(
      (await logged(pool)).map(row => row.eventId),
      ids,
    )
    t.equal((await pool.query('select from sluice.pending')).rowCount, 0)
  },
)

t.test('a rollback takes its events with it, and a savepoint its own', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await client.query('begin')
  await publish(client, 'gone')
  await client.query('rollback')

  await client.query('begin')
  await publish(client, 'before')
  await client.query('savepoint s')
  await publish(client, 'undone')
  await publish(client, 'undone', 'other')
  await client.query('rollback to s')
  await publish(client, 'after')
  await client.query('savepoint kept')
  await publish(client, 'within')
  await client.query('release kept')
  await client.query('commit')

  t.strictSame(await typesOf(pool), ['before', 'after', 'within'])
  const { rows } = await pool.query('select name from sluice.streams')
  t.strictSame(rows, [{ name: 'feed' }])
})

t.test('a transaction that has published and goes on working delays no other writer', async t => {
  const { pool } = await createDatabase(t)
  const slow = await connect(t, pool)
  await slow.query('begin')
  await publish(slow, 'slow')
  await publish(slow, 'slow', 'new')

  await pool.query(
    `select sluice.append('w', 'feed', 'quick', '{}'), sluice.append('w', 'new', 'quick', '{}')`,
  )
  await publish(pool, 'quick')
  t.strictSame(await typesOf(pool), ['quick', 'quick'])
  await slow.query('commit')

  t.strictSame(await typesOf(pool), ['quick', 'quick', 'slow'])
  t.strictSame(await typesOf(pool, 'new'), ['quick', 'slow'])
})

t.test('transactions that publish to A, B and to B, A do not deadlock', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.ensure_stream('w', 'b'), sluice.ensure_stream('w', 'a')`)
  const [first, second] = [await connect(t, pool), await connect(t, pool)]
  for (let turn = 0; turn < 20; turn += 1) {
    const both = [
      { client: first, streams: ['a', 'b', 'c'] },
      { client: second, streams: ['c', 'b', 'a'] },
    ]
    for (const { client, streams } of both) {
      await client.query('begin')
      for (const stream of streams) await publish(client, 'x', stream)
    }

    await Promise.all(both.map(({ client }) => client.query('commit')))
  }

  for (const stream of ['a', 'b', 'c']) {
    const rows = await logged(pool, stream)
    t.equal(rows.length, 40)
    t.ok(isDense(rows))
  }
})

t.test('10,000 publishes in one transaction cost as much each as 1,000 do', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  // Looks at the work, not at the clock: how many entries of the index of waiting events were visited.
  const visited = async (count: number) => {
    await client.query('begin')
    await client.query(`select sluice.publish('w', 'feed', 'a', '{}') from generate_series(1, $1::int)`, [
      count,
    ])
    await client.query('set constraints all immediate')
    const { rows } = await client.query<{ visits: number }>(
      `select pg_stat_get_xact_tuples_returned('sluice.pending_pkey'::regclass) as visits`,
    )
    await client.query('commit')
    return (rows[0]?.visits ?? 0) / count
  }

  await visited(10)
  const few = await visited(1_000)
  const many = await visited(10_000)

  t.ok(few > 0 && many <= few + 1, `${few} and ${many} visits for each`)
  t.equal((await logged(pool)).length, 11_010)
  t.ok(isDense(await logged(pool)))
})

t.test('a closed stream is refused at the call, or at COMMIT if it was closed in between', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await client.query('create table public.change (n int)')
  await client.query('begin')
  await client.query('insert into public.change values (1)')
  await publish(client, 'late', 'job')
  await pool.query(`select sluice.close_stream(sluice.ensure_stream('w', 'job'))`)

  await t.rejects(client.query('commit'), { code: 'SL001' })
  await t.rejects(publish(client, 'later', 'job'), { code: 'SL001' })

  t.equal((await pool.query('select from public.change')).rowCount, 0, 'the change went with its event')
})

t.test('under REPEATABLE READ a COMMIT behind the tail gets an error that asks it to retry', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await publish(pool, 'one')
  await client.query('begin isolation level repeatable read')
  await publish(client, 'three')
  await publish(pool, 'two')

  await t.rejects(client.query('commit'), { code: '40001', hint: /Retry/ })

  t.strictSame(await typesOf(pool), ['one', 'two'])
})

t.test('a COMMIT waits for an earlier writer, and its events follow', async t => {
  const { pool } = await createDatabase(t)
  const [writer, client] = [await connect(t, pool), await connect(t, pool)]
  const pid = await backendOf(client)
  await client.query('begin')
  await publish(client, 'second')
  await writer.query('begin')
  await writer.query(`select sluice.append('w', 'feed', 'first', '{}')`)

  const committed = client.query('commit')
  await untilBlocked(pool, pid)
  await writer.query('commit')
  await committed

  t.strictSame(await typesOf(pool), ['first', 'second'])
})

t.test('immediate constraints and disabled triggers lose no event', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  await client.query('begin')
  await publish(client, 'a')
  await client.query('set constraints all immediate')
  await publish(client, 'b')
  await client.query('savepoint s')
  await publish(client, 'undone')
  await client.query('rollback to s')
  await client.query('commit')
  await client.query('begin')
  await client.query('set local session_replication_role = replica')
  await publish(client, 'c')
  await client.query('commit')

  t.strictSame(await typesOf(pool), ['a', 'b', 'c'])
})

t.test('gateways are woken once for each COMMIT, unless sluice.notify is off', async t => {
  const { pool } = await createDatabase(t)
  const listener = await connect(t, pool)
  const payloads: (string | undefined)[] = []
  listener.on('notification', message => payloads.push(message.payload))
  await listener.query('listen sluice_wake')
  const client = await connect(t, pool)
  const twoStreams = async () => {
    await client.query('begin')
    for (const stream of ['a', 'b', 'a']) await publish(client, 'x', stream)
    await client.query('commit')
  }

  await twoStreams()
  await client.query(`set sluice.notify = 'off'`)
  await twoStreams()
  await client.query('reset sluice.notify')
  await client.query(`select sluice.publish('w', 's' || n, 'x', '{}') from generate_series(1, 1000) n`)
  await listener.query('select')

  const { rows } = await pool.query(`select id from sluice.streams where name in ('a', 'b') order by id`)
  t.match(payloads[0], /^:\d+,\d+$/)
  t.strictSame(
    idsIn(payloads[0]),
    rows.map(({ id }) => id),
  )
  t.strictSame(new Set(payloads.slice(1).flatMap(idsIn)).size, 1_000, 'a long list comes in several')
})

t.test('bad events are refused at the call', async t => {
  const { pool } = await createDatabase(t)

  await t.rejects(pool.query(`select sluice.publish('no good', 'feed', 'a', '{}')`), {
    code: 'SL002',
    hint: /\w/,
  })
  await t.rejects(publish(pool, 'reset'), { code: 'SL002', message: /reserved/ })
  await t.rejects(publish(pool, 'a', 'no good'), { code: 'SL002' })
  await t.rejects(pool.query(`select sluice.publish('w', 'feed', 'a', '[]')`), { code: 'SL002' })
})

t.test('a role may publish after the documented grants, and can do nothing else', async t => {
  const { pool } = await createDatabase(t)
  const client = await connect(t, pool)
  const role = await createRole(t, pool)
  await client.query(`set role ${role}`)
  await t.rejects(publish(client, 'a'), { code: '42501' }, 'nothing without a grant')
  await client.query('reset role')
  const { rows } = await pool.query(`select obj_description('sluice.publish'::regproc) as text`)
  const grants = /Grant: (.+;)$/.exec(rows[0].text)?.[1] ?? ''
  await pool.query(grants.replaceAll(' to app', ` to ${role}`))
  await client.query(`set role ${role}`)

  await client.query('begin')
  await publish(client, 'a')
  await client.query('commit')

  t.strictSame(await typesOf(pool), ['a'])
  for (const forbidden of [
    `select sluice.append('w', 'feed', 'a', '{}')`,
    `select sluice.enqueue('w', 'feed', 'a', '{}', null)`,
    `select sluice.close_stream(1)`,
    `select sluice.retain('feed', '0', 1)`,
    `select * from sluice.events`,
    `select * from sluice.streams`,
    `select * from sluice.pending`,
    `insert into sluice.pending (workspace, stream, type, data) values ('w', 'feed', 'a', '[]')`,
    `delete from sluice.idempotency_keys`,
  ]) {
    await t.rejects(client.query(forbidden), { code: '42501' }, forbidden)
  }
})

t.test('nobody may call a function or touch a table of the log unless it was granted', async t => {
  const { pool } = await createDatabase(t)

  const { rows: open } = await pool.query(`
    select p.oid::regprocedure::text as name from pg_proc p
     where p.pronamespace = 'sluice'::regnamespace and has_function_privilege('public', p.oid, 'execute')
     union all
    select c.oid::regclass::text from pg_class c
     where c.relnamespace = 'sluice'::regnamespace and c.relkind in ('r', 'v', 'S')
       and c.relname <> 'migrations' and coalesce(c.relacl::text, '') ~ '[{,]=[a-z]'`)
  const { rows: unpinned } = await pool.query(`
    select p.oid::regprocedure::text as name from pg_proc p
     where p.pronamespace = 'sluice'::regnamespace and p.prosecdef
       and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)`)

  t.strictSame(open, [])
  t.strictSame(unpinned, [])
})

t.test(
  'a caller with functions and operators of its own in the search_path gains nothing by them',
  async t => {
    const { pool } = await createDatabase(t)
    const client = await connect(t, pool)
    const role = await createRole(t, pool)
    await pool.query(`
    grant usage on schema sluice to ${role}; grant execute on function sluice.publish to ${role};
    create schema evil authorization ${role}`)
    // Each notes who runs it. An unqualified name in the log's functions would find them first.
    await client.query(`
    set role ${role};
    create table evil.caught (who text);
    grant all on evil.caught to public;
    create function evil.left(text, int) returns text language plpgsql as
      $$ begin insert into evil.caught values (current_user); return 'x'; end $$;
    create function evil.gen_random_uuid() returns uuid language plpgsql as
      $$ begin insert into evil.caught values (current_user); return '00000000-0000-0000-0000-000000000000'; end $$;
    create function evil.same(text, text) returns boolean language plpgsql as
      $$ begin insert into evil.caught values (current_user); return true; end $$;
    create operator evil.~ (function = evil.same, leftarg = text, rightarg = text);
    create operator evil.= (function = evil.same, leftarg = text, rightarg = text);
    create function evil.json_typeof(json) returns text language plpgsql as
      $$ begin insert into evil.caught values (current_user); return 'object'; end $$;
    set search_path = evil, pg_catalog, sluice`)

    await client.query('begin')
    await publish(client, 'a')
    await client.query('commit')
    await client.query('begin')
    await t.rejects(client.query(`select sluice.publish('no good', 'feed', 'a', '[]')`), { code: 'SL002' })
    await client.query('rollback')

    t.strictSame(await typesOf(pool), ['a'])
    t.equal((await pool.query('select from evil.caught')).rowCount, 0)
  },
)

function idsIn(payload: string | undefined): number[] {
  return payload?.slice(1).split(',').map(Number) ?? []
}

/** Roles belong to the server, not to the database of this test: dropped again with what they own here. */
async function createRole(test: Test, database: Database): Promise<string> {
  const role = `sluice_test_${randomBytes(6).toString('hex')}`
  await database.query(`create role ${role}; grant ${role} to current_user`)
  test.teardown(() => database.query(`drop owned by ${role} cascade; drop role ${role}`))
  return role
}
