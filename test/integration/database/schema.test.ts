/** What is generated from the migrations (npm run schema) is up to date, and a migration that was released stays as it is. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { CHECKSUMS, checksumsOf, listedChecksums } from '../../../scripts/checksums.js'
import { SCHEMA_HEADER, schemaText } from '../../../scripts/schema-text.js'
import { inTransaction } from '../../../src/database/pool.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'

const FOLDER = join(packageRoot, 'migrations')
const REMEDY = 'run "npm run schema"'

t.test('schema.sql is the schema of a new database, and builds it again', async t => {
  const { pool } = await createDatabase(t)
  const { pool: empty } = await createEmptyDatabase(t)
  const text = await readFile(join(FOLDER, 'schema.sql'), 'utf8')

  t.equal(SCHEMA_HEADER + (await inTransaction(pool, schemaText)), text, REMEDY)
  await empty.query(text)
  t.equal(SCHEMA_HEADER + (await inTransaction(empty, schemaText)), text)
})

t.test('no migration differs from its checksum, and each has one', async t => {
  t.strictSame(
    await checksumsOf(FOLDER),
    await listedChecksums(FOLDER),
    `new: ${REMEDY}; changed: make it a new one`,
  )
})

t.test('the folder has nothing that looks like a migration and would be passed over', async t => {
  const others = (await readdir(FOLDER)).filter(file => !/^\d{4}_\w+\.sql$/.test(file)).sort()
  t.strictSame(others, ['README.md', CHECKSUMS, 'schema.sql', 'unsquashed'])
})
