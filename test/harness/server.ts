/**
 * The Postgres that tests run on: TEST_DATABASE_URL if it is set, else an embedded server in a temporary folder, with
 * a migrated template from which databases are cloned.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../../src/database/migrate.js'
import { startEmbedded } from '../../src/embedded-postgres/embedded-postgres.js'
import { hostileRole } from './hostile.js'
import { patient } from './patience.js'
import { succeeds } from './until.js'

/**
 * With SLUICE_TEST_ROLE=plain, the databases belong to a role such as docs/operations.md advises, to which row-level
 * security applies. Otherwise they belong to the superuser of the server, whose requests switch to another role.
 */
const PLAIN = process.env.SLUICE_TEST_ROLE === 'plain'
const PLAIN_ROLE = 'sluice_test_plain'
/** With the rights that tests need to create roles and cause faults. None of them bypasses row-level security. */
const CREATE_PLAIN_ROLE = `
  create role ${PLAIN_ROLE} login createrole password 'plain';
  grant pg_execute_server_program to ${PLAIN_ROLE};
  grant set on parameter session_replication_role to ${PLAIN_ROLE};
  do $$ begin
    if current_setting('server_version_num')::int >= 160000 then
      alter role ${PLAIN_ROLE} set createrole_self_grant = 'set, inherit';
    end if;
  end $$`

/** With SLUICE_TEST_SETTINGS=hostile, that role has settings that must not change what Sluice does. */
const HOSTILE_SESSIONS = process.env.SLUICE_TEST_SETTINGS === 'hostile'

/** No data outlives the run, so no write waits for a disk. */
const SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }

const MEMORY = '/dev/shm'
/** Containers have 64 MB there by default. */
const MEMORY_NEEDED_BYTES = 2 * 1024 ** 3

export interface TestServer {
  /** URL of an existing database, in which databases can be created and dropped. */
  readonly url: string
  /** Name of the migrated database. Never connect to it: a database with connections cannot be cloned. */
  readonly template: string
  close(): Promise<void>
}

export async function startTestServer(env: NodeJS.ProcessEnv = process.env): Promise<TestServer> {
  const given = env.TEST_DATABASE_URL
  const server = given ? { url: given, close: async () => undefined } : await startTemporary(env.PG_BIN)
  const template = uniqueName('template')
  try {
    if (PLAIN) await execute(server.url, CREATE_PLAIN_ROLE)
    if (HOSTILE_SESSIONS) await execute(server.url, hostileRole(PLAIN_ROLE))
    await execute(server.url, `create database ${template} ${OWNED}`)
    await migrate(asOwner(withDatabase(server.url, template)))
  } catch (error) {
    await server.close()
    throw error
  }
  return {
    url: server.url,
    template,
    async close() {
      await execute(server.url, `drop database if exists ${template} with (force)`)
      await server.close()
    },
  }
}

/**
 * A folder that a server of another account may enter: root starts servers as another account. In a run of
 * scripts/test.ts it lies in the folder of that run, which is removed even if a test was killed before its teardown.
 */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(process.env.SLUICE_TEST_FOLDER || (await parentFolder()), 'sluice-test-'))
  await chmod(folder, 0o711)
  return folder
}

/** In memory if there is room: a database is 300 files, and cloning it on a disk is ten times slower. */
async function parentFolder(): Promise<string> {
  const free = await statfs(MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  )
  return free >= MEMORY_NEEDED_BYTES ? MEMORY : tmpdir()
}

/** Runs one statement on a separate connection. */
export async function execute(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: patient(15_000) })
  // When the server ends, the query fails, and the connection has an error of its own besides.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Whether a server takes statements. */
export async function answers(url: string): Promise<boolean> {
  return await succeeds(execute(url, 'select 1'))
}

/** The clause after `create database`. */
export const OWNED = PLAIN ? `owner ${PLAIN_ROLE}` : ''

/** The same database, as the role that owns the databases of tests. */
export function asOwner(url: string): string {
  return PLAIN ? url.replace(/\/\/([^@/]*@)?/, `//${PLAIN_ROLE}:plain@`) : url
}

/** The same server, another database. Not by `new URL`: it refuses the empty host of a Unix socket. */
export function withDatabase(url: string, database: string): string {
  return url.replace(/^(\w+:\/\/[^/?]*)(\/[^?]*)?/, `$1/${database}`)
}

export function uniqueName(purpose: string): string {
  return `sluice_${purpose}_${randomBytes(6).toString('hex')}`
}

async function startTemporary(pgBin: string | undefined) {
  const folder = await temporaryFolder()
  const embedded = await startEmbedded({ dataDir: folder, pgBin, settings: SETTINGS })
  return {
    url: embedded.url,
    async close() {
      await embedded.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
