/**
 * A separate database for each test, cloned from a migrated template. scripts/test.ts provides the server and the template;
 * a test file that is run by hand with `node` starts its own server.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { createPool, type Database } from '../../src/database/pool.js'
import { patienceSignal } from './patience.js'
import {
  asOwner,
  execute,
  OWNED,
  startTestServer,
  type TestServer,
  uniqueName,
  withDatabase,
} from './server.js'

/** A backend ends a moment after its connection is closed, and on a machine that stood still meanwhile some seconds after. */
const CLOSE_TIMEOUT_MS = 15_000
const LOOK_AGAIN_MS = 5
/** For the tables that tests make. */
const TABLES = { search_path: 'public' }

let own: Promise<TestServer> | undefined

export interface TestDatabase {
  readonly url: string
  readonly pool: Database
}

/**
 * A fresh migrated database, dropped when `test` ends. All other connections to it must be closed by then: an open
 * connection fails the test, because in production it would be a leak.
 */
export async function createDatabase(test: Test): Promise<TestDatabase> {
  return await cloneDatabase(test, (await testServer()).template)
}

/** The same without our schema: a user's own database before the first start. */
export async function createEmptyDatabase(test: Test): Promise<TestDatabase> {
  return await cloneDatabase(test, 'template1')
}

async function cloneDatabase(test: Test, template: string): Promise<TestDatabase> {
  const server = await testServer()
  const name = uniqueName('test')
  await execute(server.url, `create database ${name} template ${template} strategy file_copy ${OWNED}`)
  const url = asOwner(withDatabase(server.url, name))
  // Tests cut connections on purpose; a query that this affects reports it.
  const pool = createPool(url, { max: 10, name: 'test', settings: TABLES, onError: () => undefined })
  test.teardown(async () => {
    await pool.end()
    const open = await connectionsLeft(server.url, name)
    await execute(server.url, `drop database ${name} with (force)`)
    if (open.length > 0) throw new Error(`Connections left open by this test: ${open.join(', ')}`)
  })
  return { url, pool }
}

/** The server of the run, and the template that databases are cloned from. */
export async function testServer(): Promise<Pick<TestServer, 'url' | 'template'>> {
  const { SLUICE_TEST_SERVER_URL: url, SLUICE_TEST_TEMPLATE: template } = process.env
  if (url && template) return { url, template }
  own ??= startOwn()
  return await own
}

async function startOwn(): Promise<TestServer> {
  if (process.env.SLUICE_TEST_FOLDER) {
    throw new Error('`npm test` has started no Postgres for this file. Move it to test/integration/.')
  }
  // Only here: whatever loads tap becomes a test, with the deadline of one.
  const [server, { default: t }] = await Promise.all([startTestServer(), import('tap')])
  t.teardown(() => server.close())
  return server
}

/** The application names of clients that are still connected after a grace period. */
async function connectionsLeft(serverUrl: string, database: string): Promise<string[]> {
  const late = patienceSignal(CLOSE_TIMEOUT_MS)
  for (;;) {
    const { rows } = await execute(
      serverUrl,
      `select application_name as name from pg_stat_activity
       where datname = '${database}' and backend_type = 'client backend'`,
    )
    const open = rows.map((row: { name: string }) => row.name || 'unnamed')
    if (open.length === 0 || late.aborted) return open
    await sleep(LOOK_AGAIN_MS)
  }
}
