/** Databases from before the migrations were squashed, and their takeover (src/database/takeover.ts). */
import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { schemaText } from '../../../scripts/schema-text.js'
import { migrate } from '../../../src/database/migrate.js'
import { migrationNames } from '../../../src/database/migration-files.js'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { patienceSignal } from '../../harness/patience.js'

const FOLDER = join(packageRoot, 'migrations')
const OLD_FOLDER = join(FOLDER, 'unsquashed')
const ROWS = join(packageRoot, 'test/integration/database/unsquashed-rows.sql')
const LAST_SQUASHED = '0016_rate_windows'
const CLAIM_MS = 5_000

t.test('nodes that start at once take over a database with rows in every table, and lose none', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  await migrate(url, OLD_FOLDER)
  await pool.query(await readFile(ROWS, 'utf8'))
  const columns = await allColumns(pool)
  const before = await allRows(pool, columns)
  t.strictSame(
    Object.keys(before).filter(table => before[table]?.length === 0),
    ['sluice.pending'],
    'there is something to lose in every table',
  )

  await Promise.all([migrate(url), migrate(url), migrate(url)])

  t.strictSame(await allRows(pool, columns), before)
  await hasCurrentSchema(t, pool)

  const { app, url: gateway } = await startGateway(t, {
    databaseUrl: url,
    env: { RETENTION_DAYS: '0', JOB_RETENTION_DAYS: '0' },
  })
  const read = async (path: string) =>
    (await (
      await fetch(gateway + path, { headers: { ...as('viewer'), accept: 'application/json' } })
    ).json()) as Record<string, object[]>
  const seen = (await read('/api/events?after=0&limit=200')).events ?? []
  const [id] = await publish({ url: gateway }, { type: 'order.placed', data: { id: 2 } })
  await pool.query(`insert into public.parts values (3, 'acme', 'washer', 1)`)

  t.equal(seen.length, 25)
  const { id: last } = seen.at(-1) as { id: string }
  t.match(await read(`/api/events?after=${last}`), {
    events: [
      { id, type: 'order.placed', data: { id: 2 } },
      { type: 'parts.created', data: { id: 3, name: 'washer' } },
    ],
  })
  t.match(await read('/api/items'), { items: [{ part_number: 'A01-0001' }, { part_number: 'A01-0002' }] })
  t.match(
    await app.jobs.claim({ id: 'runner-2', workspace: 'acme' }, { runner: 'r' }, patienceSignal(CLAIM_MS)),
    { kind: 'command', attempt: 2 },
  )
})

for (const last of ['0001_log', '0010_rate_windows', '0019_job_types']) {
  t.test(`a database at ${last} gets the missing migrations, and keeps its events`, async t => {
    const { url, pool } = await createEmptyDatabase(t)
    await migrate(url, await oldUpTo(t, last))
    await pool.query(`select sluice.append('acme', 'feed', 'order.placed', '{"id": 1}')`)
    const columns = await allColumns(pool)
    const before = (await allRows(pool, columns))['sluice.events']

    await migrate(url)

    t.strictSame((await allRows(pool, columns))['sluice.events'], before)
    await hasCurrentSchema(t, pool)
  })
}

t.test('the squashed migrations build what the old ones did, comments and messages apart', async t => {
  const [old, squashed] = [await createEmptyDatabase(t), await createEmptyDatabase(t)]
  const folder = t.testdir({})
  const names = await migrationNames(FOLDER)
  for (const name of names.slice(0, names.indexOf(LAST_SQUASHED) + 1)) {
    await copyFile(join(FOLDER, `${name}.sql`), join(folder, `${name}.sql`))
  }
  await migrate(old.url, OLD_FOLDER)
  await migrate(squashed.url, folder)

  t.equal(withoutWords(await textOf(squashed.pool)), withoutWords(await textOf(old.pool)))
  t.strictSame(await rightsOf(squashed.pool), await rightsOf(old.pool))
})

t.test(
  'the old version refuses to start on a database that was taken over, and names the reason',
  async t => {
    const { url } = await createDatabase(t)

    await t.rejects(migrate(url, OLD_FOLDER), {
      message:
        /^This database was migrated by a newer Sluice \(0001_row_level_security, .*\)\. Run that version/,
    })
  },
)

t.test('no migration has a name that an old one has', async t => {
  const old = await migrationNames(OLD_FOLDER)
  t.equal(old.length, 19)
  t.strictSame(
    (await migrationNames(FOLDER)).filter(name => old.includes(name)),
    [],
  )
})

for (const [rows, message] of [
  [`('0001_log'), ('0002_publish'), ('0018_lease_sweep')`, /newer Sluice \(0018_lease_sweep\)/],
  [`('0001_log'), ('0003_watch')`, /no version of Sluice writes such a list/],
  [`('0001_log'), ('0001_row_level_security')`, /no version of Sluice writes such a list/],
] as const) {
  t.test(`a database with the migrations ${rows} is refused and left as it is`, async t => {
    const { url, pool } = await createEmptyDatabase(t)
    await migrate(url, await oldUpTo(t, '0001_log'))
    await pool.query('delete from sluice.migrations')
    await pool.query(
      `insert into sluice.migrations (name, run_on) select name, now() from (values ${rows}) r (name)`,
    )
    const before = await textOf(pool)

    await t.rejects(migrate(url), { message })

    t.equal(await textOf(pool), before)
  })
}

t.test('a table that is watched as job stops the takeover, which leaves nothing behind', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  await migrate(url, await oldUpTo(t, '0017_cursor_type'))
  await pool.query(`create table public.work (id int); select sluice.watch('public.work', 'job', 'acme')`)
  const before = [await textOf(pool), await namesOf(pool)]

  await t.rejects(migrate(url), { message: /work/, hint: /Watch each under another name/ })

  t.strictSame([await textOf(pool), await namesOf(pool)], before)
  await pool.query(`select sluice.watch('public.work', 'task', 'acme')`)
  await migrate(url)
  await hasCurrentSchema(t, pool)
})

/** As a database that the migrations of today have created: text, rights and names. */
async function hasCurrentSchema(t: Test, pool: Database): Promise<void> {
  const fresh = await createDatabase(t)
  t.equal(await textOf(pool), await textOf(fresh.pool))
  t.strictSame(await rightsOf(pool), await rightsOf(fresh.pool))
  t.strictSame(await namesOf(pool), await namesOf(fresh.pool))
}

/** A folder with the old migrations up to one of them. */
async function oldUpTo(t: Test, last: string): Promise<string> {
  const folder = join(t.testdir({}), 'old')
  await mkdir(folder)
  for (const name of await migrationNames(OLD_FOLDER)) {
    if (name <= last) await copyFile(join(OLD_FOLDER, `${name}.sql`), join(folder, `${name}.sql`))
  }
  return folder
}

function textOf(pool: Database): Promise<string> {
  return inTransaction(pool, client => schemaText(client))
}

/** Without the texts that people read: the squashed files have other words for the same. */
function withoutWords(schema: string): string {
  return schema
    .replace(/^comment on .*?;$/gms, '')
    .replace(/ *--.*$/gm, '')
    .replace(/\b(message|detail|hint) = .*?(?=,\n|;\n)/gs, '$1')
    .replace(/perform sluice\.refuse_watch\(.*?\);$/gms, 'perform sluice.refuse_watch')
    .replace(/\n+/g, '\n')
}

async function namesOf(pool: Database): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    'select name from sluice.migrations order by run_on, id',
  )
  return rows.map(({ name }) => name)
}

/** Owners, and who may do what, in the order in which it was granted. */
async function rightsOf(pool: Database): Promise<unknown[]> {
  const { rows } = await pool.query(
    `select c.oid::regclass::text as name, c.relowner::regrole::text as owner, c.relacl::text as rights
       from pg_class c where c.relnamespace = 'sluice'::regnamespace
     union all
     select p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text
       from pg_proc p where p.pronamespace = 'sluice'::regnamespace
     union all
     select 'schema', n.nspowner::regrole::text, n.nspacl::text from pg_namespace n where n.nspname = 'sluice'
     order by 1`,
  )
  return rows
}

/** Every row of every table but the list of migrations, as text, in a fixed order. */
async function allRows(pool: Database, columns: Columns): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {}
  for (const { table, names } of columns) {
    const found = await pool.query<{ row: string }>(
      `select row_to_json(r)::text as row from (select ${names} from ${table}) r order by row_to_json(r)::text collate "C"`,
    )
    rows[table] = found.rows.map(({ row }) => row)
  }
  return rows
}

type Columns = readonly { readonly table: string; readonly names: string }[]

/** The columns of all tables as they are now; later migrations add some. */
async function allColumns(pool: Database): Promise<Columns> {
  const { rows } = await pool.query<{ table: string; names: string }>(
    `select c.oid::regclass::text as table, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as names
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relkind = 'r' and c.relname <> 'migrations'
        and c.relnamespace::regnamespace::text in ('sluice', 'public') group by 1 order by 1`,
  )
  return rows
}
