/**
 * The Postgres that tests run on: TEST_DATABASE_URL if it is set, else an embedded server in a temporary folder, with
 * a migrated template that databases are cloned from.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../../src/database/migrate.js'
import { startEmbedded } from '../../src/embedded-postgres/embedded-postgres.js'
import { hostileRole } from './hostile.js'

/**
 * Who owns the databases with SLUICE_TEST_ROLE=plain: a role as docs/operations.md advises, which row-level security
 * binds. Else it is the superuser of the server, whose requests take on another role.
 */
const PLAIN = process.env.SLUICE_TEST_ROLE === 'plain'
const PLAIN_ROLE = 'sluice_test_plain'
/** With what tests themselves need, to make roles and trouble. None of it lets a role past row-level security. */
const CREATE_PLAIN_ROLE = `
  create role ${PLAIN_ROLE} login createrole password 'plain';
  grant pg_execute_server_program to ${PLAIN_ROLE};
  grant set on parameter session_replication_role to ${PLAIN_ROLE};
  do $$ begin
    if current_setting('server_version_num')::int >= 160000 then
      alter role ${PLAIN_ROLE} set createrole_self_grant = 'set, inherit';
    end if;
  end $$`

/** With SLUICE_TEST_SETTINGS=hostile that role has settings which must not matter to anything of ours. */
const HOSTILE_SESSIONS = process.env.SLUICE_TEST_SETTINGS === 'hostile'

/** Nothing here outlives the run, so nothing waits for a disk. */
const SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }

const MEMORY = '/dev/shm'
/** Containers have 64 MB there unless told otherwise. */
const MEMORY_NEEDED_BYTES = 2 * 1024 ** 3

export interface TestServer {
  /** Of a database that exists, where databases can be created and dropped. */
  readonly url: string
  /** Name of the migrated database. Nobody connects to it: it could not be cloned meanwhile. */
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
 * A folder that a server of another account may enter, as it is lent one when this is root. Within a run of
 * scripts/test.ts it lies in the run's own, which goes even when a test was killed and could not tidy up.
 */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(process.env.SLUICE_TEST_FOLDER || (await parentFolder()), 'sluice-test-'))
  await chmod(folder, 0o711)
  return folder
}

/** In memory where there is room: a database is 300 files, which a disk makes ten times slower. */
async function parentFolder(): Promise<string> {
  const free = await statfs(MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  )
  return free >= MEMORY_NEEDED_BYTES ? MEMORY : tmpdir()
}

/** One statement on a connection of its own. */
export async function execute(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

/** What follows `create database`. */
export const OWNED = PLAIN ? `owner ${PLAIN_ROLE}` : ''

/** The same database, as the role that owns those of tests. */
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
