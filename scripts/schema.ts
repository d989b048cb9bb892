/**
 * `npm run schema`: after a migration was added, writes what is generated from the migrations: migrations/schema.sql, the
 * schema that they build, and the list of their checksums. It refuses to list a migration that has changed.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../src/database/migrate.js'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'
import { packageRoot } from '../src/process/package-root.js'
import { CHECKSUMS, checksumsOf, listedChecksums, listText } from './checksums.js'
import { SCHEMA_HEADER, schemaText } from './schema-text.js'

const USAGE = `Usage: npm run schema [-- --unreleased]

Writes migrations/schema.sql and migrations/${CHECKSUMS}.

  --unreleased  lists changed migrations too: only before the release that brings them`

const folder = join(packageRoot, 'migrations')
const args = process.argv.slice(2)
if (args.some(arg => arg !== '--unreleased')) {
  console.error(USAGE)
  process.exitCode = 2
} else {
  await listChecksums(args.includes('--unreleased'))
  await writeSchema()
}

async function listChecksums(unreleased: boolean): Promise<void> {
  const sums = await checksumsOf(folder)
  const listed = await listedChecksums(folder)
  const changed = Array.from(listed.keys()).filter(name => listed.get(name) !== sums.get(name))
  if (changed.length > 0 && !unreleased) {
    console.error(
      `These migrations are listed and have changed: ${changed.join(', ')}. Make the change a new migration.`,
    )
    process.exitCode = 1
    return
  }
  await writeFile(join(folder, CHECKSUMS), listText(sums))
}

/** Writes schema.sql from a database that the migrations have just created, on a server of its own. */
async function writeSchema(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-schema-'))
  // A server that root starts runs as another account, which must be able to enter.
  await chmod(dataDir, 0o711)
  try {
    const server = await startEmbedded({ dataDir })
    try {
      await migrate(server.url)
      await writeFile(join(folder, 'schema.sql'), SCHEMA_HEADER + (await readSchema(server.url)))
    } finally {
      await server.close()
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function readSchema(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await schemaText(client)
  } finally {
    await client.end()
  }
}
