/** Events of a watched table show the values in the table, whichever role writes and with whichever settings. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { HOSTILE } from '../../harness/hostile.js'
import { connect, logged } from '../../harness/records.js'

const VALUES = `
  create table public.kept (
    id int, tenant text, moment timestamptz, day date, span interval, bytes bytea, number float8, price money, spell tstzrange,
    place regclass, list timestamptz[]
  );
  select sluice.watch('public.kept', workspace_column => 'tenant')`
const INSERT = `
  insert into public.kept select n, tenant, timestamptz '2026-03-29T01:30:00Z', date '2026-02-01', make_interval(days => -1, hours => 2),
    decode('00ff5c27', 'hex'), 0.1::float8 + 0.2::float8, 1234.5::money,
    tstzrange('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'), 'pg_class'::regclass, array[timestamptz '2026-01-01T00:00:00Z']
    from (values (1, 'w'), (1, null)) v (n, tenant)`

t.test('an event does not depend on the settings of the writer', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(VALUES)
  const odd = await connect(t, pool)

  await pool.query(INSERT)
  for (const setting of HOSTILE) await odd.query(`set ${setting}`)
  await odd.query(
    'set lock_timeout = 0; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0',
  )
  await odd.query(INSERT)

  const [first, second, ...more] = await logged(pool)
  t.match(first?.data, '"moment":"2026-03-29T01:30:00+00:00"')
  t.match(first?.data, '"bytes":"\\\\x00ff5c27"')
  t.equal(second?.data, first?.data)
  t.strictSame(more, [])
  t.strictSame(await logged(pool, 'feed', 'NULL'), [], 'what belongs to nobody stays so')
  await t.rejects(odd.query(`select sluice.watch('sluice.items', workspace => 'w')`), { code: 'SL003' })
})

const kinds = [
  { kind: 'stored', since: 0 },
  { kind: 'virtual', since: 180_000 },
] as const

for (const { kind, since } of kinds) {
  t.test(`a ${kind} generated column shows its value`, async t => {
    const { pool } = await createDatabase(t)
    // Before PostgreSQL 18 there are none.
    if ((await versionOf(pool)) < since) return
    const prices = (name: string, options: string) => `
      create table public.${name} (
        net int, "rate" int, gross int generated always as (net + net * "rate" / 100) ${kind}, gone int, old int,
        tenant text generated always as (case when net < 100 then 'w' else 'x' end) ${kind}
      );
      alter table public.${name} drop column gone;
      select sluice.watch('public.${name}', ${options})`
    await pool.query(prices('shown', `workspace => 'w'`))
    await pool.query(prices('picked', `workspace_column => 'tenant', columns => '{gross}'`))

    for (const table of ['shown', 'picked']) {
      await pool.query(`insert into public.${table} (net, rate) values (50, 10)`)
      await pool.query(`update public.${table} set rate = 20`)
      await pool.query(`update public.${table} set old = 1`)
      await pool.query(`update public.${table} set net = 100`)
      await pool.query(`delete from public.${table}`)
    }

    t.strictSame(await told(pool, 'w'), [
      'shown.created {"net":50,"rate":10,"gross":55,"old":null,"tenant":"w"}',
      'shown.updated {"net":50,"rate":20,"gross":60,"old":null,"tenant":"w"}',
      'shown.updated {"net":50,"rate":20,"gross":60,"old":1,"tenant":"w"}',
      'shown.updated {"net":100,"rate":20,"gross":120,"old":1,"tenant":"x"}',
      'shown.deleted {"net":100,"rate":20,"gross":120,"old":1,"tenant":"x"}',
      'picked.created {"gross":55}',
      'picked.updated {"gross":60}',
      'picked.deleted {"gross":60}',
    ])
    t.strictSame(await told(pool, 'x'), ['picked.created {"gross":120}', 'picked.deleted {"gross":120}'])
  })
}

t.test('a virtual column that is added or changed while its table is watched shows its value', async t => {
  const { pool } = await createDatabase(t)
  if ((await versionOf(pool)) < 180_000) return
  await pool.query(`
    create table public.parts (n int) partition by list (n);
    create table public.first partition of public.parts for values in (1);
    select sluice.watch('public.parts', workspace => 'w')`)
  await pool.query('insert into public.parts values (1)')

  await pool.query('alter table public.parts add column twice int generated always as (n * 2)')
  await pool.query('insert into public.parts values (1)')
  await pool.query('alter table public.parts alter column twice set expression as (n * 20)')
  await pool.query('insert into public.parts values (1)')

  t.strictSame(await told(pool, 'w'), [
    'parts.created {"n":1}',
    'parts.created {"n":1,"twice":2}',
    'parts.created {"n":1,"twice":20}',
  ])
})

async function told(pool: Database, workspace: string): Promise<string[]> {
  return (await logged(pool, 'feed', workspace)).map(({ type, data }) => `${type} ${data}`)
}

async function versionOf(pool: Database): Promise<number> {
  const { rows } = await pool.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  return rows[0]?.version ?? 0
}
