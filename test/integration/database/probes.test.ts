/**
 * What an act costs the database does not grow with what others have stored: it probes indexes, also behind row-level
 * security, and with plans that were made while the tables were empty. Counted in pages that the act touches.
 */
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import type { Database } from '../../../src/database/pool.js'
import { rowLevelSecurityOf } from '../../../src/database/row-level-security.js'
import { testServer } from '../../harness/database.js'
import { MAJORS, startMajor, withoutMajor } from '../../harness/majors.js'
import { execute, uniqueName, withDatabase } from '../../harness/server.js'
import { actsOn, fill, openSession } from './acts.js'

const FEW = 1_000
const MANY = 15_000
/** Another level of some indexes. A scan of any of the tables, or of an index, would touch hundreds of pages more. */
const MORE_PAGES = 50

const ROLES = {
  'as a superuser': 'superuser',
  'as an owner of nothing but the schema': '',
  'as such an owner whose requests run as sluice_request': 'in role sluice_request',
} as const

t.test('the server of the other tests', async t => probes(t, (await testServer()).url))
for (const major of MAJORS) {
  t.test(`PostgreSQL ${major}`, { skip: withoutMajor(major) }, async t =>
    probes(t, await startMajor(t, major)),
  )
}

async function probes(t: Test, server: string): Promise<void> {
  await execute(server, 'create role sluice_request nologin').catch(() => undefined)
  for (const [name, attributes] of Object.entries(ROLES)) {
    t.test(name, async t => {
      const url = await createOwned(t, server, attributes)
      const session = openSession(url)
      t.teardown(() => session.end())
      t.equal((await rowLevelSecurityOf(session)).gap, undefined)
      const acts = await actsOn(session)

      for (const act of Object.values(acts)) await act()
      await fill(url, 1, FEW)
      const few = await measure(session, acts, 6)
      await fill(url, FEW + 1, MANY)
      const many = await measure(session, acts, 2)

      const grown = Object.keys(acts).filter(act => (many[act] ?? 0) > (few[act] ?? 0) + MORE_PAGES)
      t.strictSame(
        grown.map(act => `${act}: ${few[act]} → ${many[act]} pages`),
        [],
      )
      t.ok(Object.values(few).every(pages => pages > 0))
    })
  }
}

/** A migrated database of a role with these attributes, and a watched table in it. */
async function createOwned(t: Test, server: string, attributes: string): Promise<string> {
  const name = uniqueName('probes')
  await execute(server, `create role ${name} login password 'secret' ${attributes}`)
  await execute(server, `create database ${name} owner ${name}`)
  t.teardown(async () => {
    await execute(server, `drop database ${name} with (force)`)
    await execute(server, `drop role ${name}`)
  })
  const url = withDatabase(server, name).replace(/\/\/([^@/]*@)?/, `//${name}:secret@`)
  await migrate(url)
  await execute(
    url,
    `update sluice.limits set most = 1000000;
     create table public.watched (n int, tenant text);
     select sluice.watch('public.watched', workspace_column => 'tenant')`,
  )
  return url
}

/** The pages of tables and indexes that each act touches, after it was done so often: then its plans are kept. */
async function measure(session: Database, acts: Awaited<ReturnType<typeof actsOn>>, times: number) {
  const pages: Record<string, number> = {}
  for (const [name, act] of Object.entries(acts)) {
    for (let n = 0; n < times; n += 1) await act()
    const before = await touched(session)
    await act()
    pages[name] = (await touched(session)) - before
  }
  return pages
}

async function touched(session: Database): Promise<number> {
  await session.query('select pg_stat_force_next_flush()')
  const { rows } = await session.query<{ pages: number }>(`
    select sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)
             + coalesce(toast_blks_hit + toast_blks_read + tidx_blks_hit + tidx_blks_read, 0))::bigint as pages
      from pg_statio_user_tables where schemaname = 'sluice'`)
  return rows[0]?.pages ?? 0
}
