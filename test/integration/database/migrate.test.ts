import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { createEmptyDatabase } from '../../harness/database.js'
import { execute, uniqueName } from '../../harness/server.js'

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
