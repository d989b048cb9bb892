import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { lockTables } from '../../../src/database/migration-locks.js'
import { createEmptyDatabase } from '../../harness/database.js'
import { execute, uniqueName } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const CREATE_PARTS = '-- Up Migration\ncreate table sluice.parts (number text primary key);\n'
const ADD_WEIGHT = '-- Up Migration\nalter table sluice.parts add weight int;\n'

t.test('five processes that start at once migrate once', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const folder = t.testdir({ '0001_parts.sql': CREATE_PARTS, '0002_weight.sql': ADD_WEIGHT })

  await Promise.all(Array.from({ length: 5 }, () => migrate(url, folder)))

  const { rows } = await pool.query('select name from sluice.migrations order by id')
  t.strictSame(rows, [{ name: '0001_parts' }, { name: '0002_weight' }])
})

t.test('a later version adds only what is missing', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const folder = t.testdir({ '0001_parts.sql': CREATE_PARTS })
  await migrate(url, folder)
  await pool.query(`insert into sluice.parts values ('A01-0001')`)
  await writeFile(join(folder, '0002_weight.sql'), ADD_WEIGHT)

  await migrate(url, folder)

  t.strictSame((await pool.query('select * from sluice.parts')).rows, [{ number: 'A01-0001', weight: null }])
})

t.test('a database that newer code has migrated is refused and left as it is', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const newer = t.testdir({
    newer: { '0001_parts.sql': CREATE_PARTS, '0002_weight.sql': ADD_WEIGHT },
    older: { '0001_parts.sql': CREATE_PARTS },
  })
  await migrate(url, join(newer, 'newer'))

  await t.rejects(migrate(url, join(newer, 'older')), {
    message: 'This database was migrated by a newer Sluice (0002_weight). Run that version or newer.',
  })

  t.equal((await pool.query('select from sluice.migrations')).rowCount, 2)
})

t.test('a migration that fails leaves nothing behind, not even those before it', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const folder = t.testdir({ '0001_parts.sql': CREATE_PARTS, '0002_wrong.sql': 'select 1 / 0;' })

  await t.rejects(migrate(url, folder), { code: '22012' })

  t.strictSame((await pool.query(`select to_regnamespace('sluice') as schema`)).rows, [{ schema: null }])
  await t.rejects(migrate(url, folder), { code: '22012' }, 'and no lock stays behind')
})

t.test('files that are no migrations do not keep it from starting', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const folder = t.testdir({
    '0001_parts.sql': CREATE_PARTS,
    '0001_parts.sql.orig': 'not SQL',
    '.DS_Store': '',
    'README.md': '# Migrations',
    drafts: { '0009_later.sql': 'select 1 / 0;' },
  })

  await migrate(url, folder)

  t.strictSame((await pool.query('select name from sluice.migrations')).rows, [{ name: '0001_parts' }])
})

t.test('a migration gives way to a transaction that needs its tables in another order', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const tables = '-- Up Migration\ncreate table sluice.boxes (id int); create table sluice.parts (id int);\n'
  const folder = t.testdir({ '0001_tables.sql': tables })
  await migrate(url, folder)
  const change = 'alter table sluice.boxes add weight int; alter table sluice.parts add weight int;'
  await writeFile(join(folder, '0002_weights.sql'), `-- Up Migration\n${change}\n`)
  const writer = await pool.connect()
  t.teardown(() => writer.release())
  await writer.query('begin; insert into sluice.parts (id) values (1)')

  const migrated = migrate(url, folder)
  await until('the migration holds boxes', async () => {
    const held = `select from pg_locks where relation = 'sluice.boxes'::regclass and mode = 'AccessExclusiveLock' and granted`
    return (await pool.query(held)).rowCount === 1
  })
  await writer.query('insert into sluice.boxes (id) values (1); commit')
  await migrated

  t.strictSame((await pool.query('select * from sluice.boxes')).rows, [{ id: 1, weight: null }])
})

t.test('an error names the transactions that keep a migration from its tables', async t => {
  const { pool } = await createEmptyDatabase(t)
  await pool.query('create schema sluice; create table sluice.parts (id int)')
  const [reader, client] = await Promise.all([pool.connect(), pool.connect()])
  t.teardown(() => {
    for (const each of [reader, client]) each.release(true)
  })
  await reader.query(`set application_name = 'a dump'; begin; select from sluice.parts`)
  await client.query('begin')

  await t.rejects(lockTables(client, 0), { message: /within 0 s\. Nothing was changed\. .*\(a dump\)/ })
})

t.test('a role that owns the schema needs no rights on the database', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const folder = t.testdir({ '0001_parts.sql': CREATE_PARTS })
  const role = uniqueName('role')
  await pool.query(`create role ${role} login password 'secret'; grant ${role} to current_user`)
  await pool.query(`create schema sluice authorization ${role}`)
  t.teardown(() => execute(url, `drop owned by ${role} cascade; drop role ${role}`))

  await migrate(url.replace(/\/\/[^@/]*@/, `//${role}:secret@`), folder)

  const { rows } = await pool.query(`select tableowner as owner from pg_tables where tablename = 'parts'`)
  t.strictSame(rows, [{ owner: role }])
})

t.test('a server older than the oldest supported version is refused', async t => {
  const { url } = await createEmptyDatabase(t)

  await t.rejects(migrate(url, t.testdir({}), 99), {
    message: /^The database runs PostgreSQL \d+\.\d+.*\. Sluice needs 99 or later: upgrade the server\.$/,
  })
})
