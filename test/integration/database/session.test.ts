/** Settings of a role, a database or an application do not reach what Sluice does: connections and functions pin theirs. */
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { createPool } from '../../../src/database/pool.js'
import { SETTINGS } from '../../../src/database/session.js'
import { createDatabase, createEmptyDatabase, testServer } from '../../harness/database.js'
import { HOSTILE } from '../../harness/hostile.js'
import { execute, uniqueName, withDatabase } from '../../harness/server.js'

/** What a function pins, by what its body holds. */
const PINS: readonly { readonly where: RegExp; readonly pins: readonly string[] }[] = [
  { where: /^/, pins: ['search_path=pg_catalog, pg_temp'] },
  {
    where: /\b(from|into|update|execute)\b/i,
    pins: [
      'jit=off',
      'plan_cache_mode=force_generic_plan',
      'enable_seqscan=off',
      'enable_indexscan=on',
      'enable_nestloop=on',
      'row_security=on',
    ],
  },
  { where: /\b(execute|regclass|regnamespace)\b/i, pins: ['quote_all_identifiers=off'] },
  { where: /\\/, pins: ['standard_conforming_strings=on'] },
  {
    where: /sluice\.change/,
    pins: [
      'TimeZone=UTC',
      'DateStyle=ISO, MDY',
      'IntervalStyle=postgres',
      'bytea_output=hex',
      'extra_float_digits=1',
      'lc_monetary=C',
      'array_nulls=on',
    ],
  },
]

t.test('every function of the schema pins its settings', async t => {
  const { pool } = await createDatabase(t)

  // A body that was parsed when it was made depends on no setting.
  const { rows } = await pool.query<{ name: string; body: string; pins: string[] | null }>(`
    select p.oid::regprocedure::text as name, p.prosrc as body, p.proconfig as pins
      from pg_proc p where p.pronamespace = 'sluice'::regnamespace and p.prosqlbody is null`)

  t.ok(rows.length > 30)
  for (const { name, body, pins } of rows) {
    const wanted = PINS.flatMap(rule => (rule.where.test(body) ? rule.pins : []))
    const missing = wanted.filter(pin => !pins?.includes(pin))
    t.strictSame(missing, [], name)
  }
})

for (const pooled of [false, true]) {
  t.test(`each ${pooled ? 'transaction behind a pooler' : 'connection'} has our settings`, async t => {
    const { url, pool } = await createDatabase(t)
    await pool.query(`do $$ begin ${HOSTILE.map(alter).join(' ')} end $$`)
    const ours = createPool(url, { max: 1, name: 'test', pooled, onError: t.fail })
    t.teardown(() => ours.end())

    const { rows } = await ours.query<{ name: string; value: string }>(
      `select s.name, current_setting(s.name) as value from unnest($1::text[]) s (name)
        where current_setting(s.name, true) is not null`,
      [[...Object.keys(SETTINGS), 'synchronous_commit', 'transaction_isolation']],
    )

    const normal = { statement_timeout: '30s', idle_in_transaction_session_timeout: '1min' }
    const wanted: Record<string, string> = { ...SETTINGS, ...normal }
    t.ok(rows.length > 25)
    for (const { name, value } of rows) {
      const more = {
        synchronous_commit: 'on',
        transaction_isolation: 'read committed',
        datestyle: 'ISO, MDY',
      }
      t.equal(value, { ...wanted, ...more }[name], name)
    }
  })
}

t.test('a database that is not in UTF-8 is refused', async t => {
  const server = await testServer()
  for (const encoding of ['SQL_ASCII', 'LATIN1']) {
    const name = uniqueName('encoding')
    await execute(
      server.url,
      `create database ${name} encoding '${encoding}' locale_provider libc lc_collate 'C' lc_ctype 'C' template template0`,
    )
    t.teardown(() => execute(server.url, `drop database ${name} with (force)`))

    await t.rejects(migrate(withDatabase(server.url, name)), {
      message: new RegExp(`has the encoding ${encoding}, but Sluice needs UTF8. Create another database`),
    })
  }
})

t.test('a role whose sessions fire no triggers is refused', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  await pool.query(alterAlone(`session_replication_role = replica`))

  await t.rejects(migrate(url), {
    message: /session_replication_role is replica.*reset session_replication_role/,
  })
})

function alter(setting: string): string {
  return `execute format('alter database %I set ${setting.replaceAll("'", "''")}', current_database());`
}

function alterAlone(setting: string): string {
  return `do $$ begin ${alter(setting)} end $$`
}
