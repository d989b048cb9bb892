/** The deletion of a workspace: nothing of it is left in any table, and everything of another is. */
import t from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import { DELETED_TABLES, deleteWorkspace } from '../../../src/workspaces/workspace-deletion.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { rowsOf, seed, tablesOf } from '../database/workspace-rows.js'

const ORIGIN = { workspace: 'acme', principal: 'command-line:root', address: null, requestId: null }
const AT_ONCE = { revokedAfterMs: 0 }

t.test('nothing of the workspace is left in any table, and all of another stays', async t => {
  const { pool } = await createDatabase(t)
  for (const workspace of ['acme', 'globex']) await fill(pool, workspace)
  const tables = await tablesOf(pool)
  const [mine, theirs] = [await rowsOf(pool, tables, 'acme'), await dump(pool, 'globex')]

  const removed = await deleteWorkspace(pool, ORIGIN, AT_ONCE)

  t.notOk(Object.values(mine).includes(0), 'each table had a row of it')
  t.strictSame(await rowsOf(pool, tables, 'acme'), Object.fromEntries(tables.map(table => [table, 0])))
  t.strictSame(await dump(pool, 'globex'), theirs)
  t.strictSame(await orphans(pool), [])
  t.match(removed, { items: 1, jobs: 1, api_keys: 3, streams: 4 })
  const traces = (await dump(pool, 'acme')).filter(row => !/""change"":""revocations""/.test(row))
  t.match(
    traces,
    [/^audit .*\$system,workspace\.deleted,command-line:root.*""?workspace""?:""?acme/],
    traces.join('\n'),
  )
  t.equal(traces.length, 1)
})

t.test('a deletion that was interrupted goes on when it is repeated', async t => {
  const { pool } = await createDatabase(t)
  await fill(pool, 'acme')
  const broken = new Error('killed')
  const query = pool.query.bind(pool)
  Object.assign(pool, {
    query: (...args: Parameters<typeof query>) =>
      JSON.stringify(args).includes('drop_stream') ? Promise.reject(broken) : query(...args),
  })

  await t.rejects(deleteWorkspace(pool, ORIGIN, AT_ONCE), broken)
  Object.assign(pool, { query })
  const tables = await tablesOf(pool)
  const between = await rowsOf(pool, tables, 'acme')
  await deleteWorkspace(pool, ORIGIN, AT_ONCE)

  t.equal(between.items, 0)
  t.not(between.streams, 0)
  t.strictSame(await rowsOf(pool, tables, 'acme'), Object.fromEntries(tables.map(table => [table, 0])))
})

t.test('a deletion gives up while something still writes, and says so', async t => {
  const { pool } = await createDatabase(t)
  await fill(pool, 'acme')
  const query = pool.query.bind(pool)
  Object.assign(pool, {
    async query(...args: Parameters<typeof query>) {
      const answer = await query(...args)
      if (JSON.stringify(args).includes('remove_deleted'))
        await query(`select sluice.publish('acme', 'room', 'note.made', '{}')`)
      return answer
    },
  })

  await t.rejects(deleteWorkspace(pool, ORIGIN, AT_ONCE), /Something still writes to the workspace/)
})

t.test('every table with a workspace is deleted from', async t => {
  const { pool } = await createDatabase(t)

  t.strictSame([...(await tablesOf(pool)), 'pending'].sort(), [...DELETED_TABLES].sort())
})

t.test('open streams end in every process, and a token that is still valid starts anew', async t => {
  const here = await startGateway(t)
  const there = await startGateway(t, { databaseUrl: here.databaseUrl })
  await publish(here, { type: 'note.made', data: {} })
  const open = async (workspace: string) =>
    openStream(t, `${there.url}/api/events?from=beginning`, { headers: as('viewer', workspace) })
  const [stream, other] = [await open('acme'), await open('globex')]
  await stream.until(1, 'note.made')
  const made = await fetch(`${there.url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: '{"name":"k","role":"viewer"}',
  })
  const { key } = Object(await made.json())
  const byKey = async () => (await fetch(`${there.url}/api/items`, { headers: { 'x-api-key': key } })).status
  t.equal(await byKey(), 200, 'the process remembers the key')

  await deleteWorkspace(here.app.database, ORIGIN)

  t.equal(await stream.ended(), true)
  t.equal(stream.messages.at(-1)?.event, 'auth-revoked', 'before anything was removed')
  await publish(here, { type: 'note.made', data: {} }, { workspace: 'globex' })
  await other.until(1, 'note.made')
  const again = await fetch(`${there.url}/api/items`, { headers: as('viewer') })
  t.match(await again.json(), { items: [] })
  await until('the process has forgotten the key', async () => (await byKey()) === 401)
})

/** Rows in every table, also in those that name a stream instead of a workspace. */
async function fill(pool: Database, workspace: string): Promise<void> {
  await seed(pool, workspace)
  for (const stream of ['room', 'other']) {
    await inTransaction(pool, client =>
      client.query(
        `select sluice.publish($1, $2, 'note.made', json_build_object('id', n, 'of', $1::text)) from generate_series(1, 20) n`,
        [workspace, stream],
      ),
    )
  }
  const key = (id: string, by: string | null) =>
    pool.query(
      `insert into sluice.api_keys (id, workspace, name, role, secret_hash, created_by, replaced_by)
       values (left(md5($1), 12), $2, 'k', 'viewer', sha256($1::bytea), 'me', left(md5($3), 12))`,
      [id, workspace, by],
    )
  await key(`${workspace}-new`, null)
  await key(`${workspace}-old`, `${workspace}-new`)
  await pool.query(`select sluice.configure_stream($1, 'room', '{"compact_key":"data.id"}')`, [workspace])
  await pool.query(
    `insert into sluice.latest select id, '"1"', 1 from sluice.streams where workspace = $1 and name = 'room'
     on conflict do nothing`,
    [workspace],
  )
}

/** The rows of all tables that contain the text, without those of the stream of access changes. */
async function dump(pool: Database, text: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'sluice'::regnamespace and relkind = 'r' order by 1`,
  )
  const found: string[] = []
  for (const { name } of rows) {
    const seen = await pool.query<{ x: string }>(
      `select x::text as x from sluice.${name} x where strpos(x::text, $1) > 0 order by 1`,
      [text],
    )
    found.push(...seen.rows.map(({ x }) => `${name} ${x}`))
  }
  return found
}

/** The tables with rows of streams that are gone. */
async function orphans(pool: Database): Promise<string[]> {
  const tables = ['events', 'compactions', 'latest']
  const left: string[] = []
  for (const table of tables) {
    const { rowCount } = await pool.query(
      `select from sluice.${table} x where not exists (select from sluice.streams s where s.id = x.stream_id)`,
    )
    if (rowCount) left.push(`${table} ${rowCount}`)
  }
  return left
}
