/**
 * Row-level security between workspaces, seen from inside: statements without their `where workspace`, or with a wrong
 * one. Once for each kind of role that DATABASE_URL may name, because the policies depend on nothing else.
 */
import t, { type Test } from 'tap'
import { publishAccessChange } from '../../../src/auth/revocations/access-change.js'
import { migrate } from '../../../src/database/migrate.js'
import { createPool, type Database } from '../../../src/database/pool.js'
import { rowLevelSecurityOf } from '../../../src/database/row-level-security.js'
import { inWorkspace, type WorkspaceClient } from '../../../src/database/workspace.js'
import { Items } from '../../../src/items/items.js'
import { append } from '../../../src/log/append.js'
import { FEED } from '../../../src/log/event.js'
import { ensureStream, readPage } from '../../../src/log/log.js'
import { SqlState, sqlState } from '../../../src/problems/problem.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'
import { randomFrom } from '../../harness/random.js'
import { execute, uniqueName } from '../../harness/server.js'
import { rowsOf, seed, tablesOf } from './workspace-rows.js'

/** That want the one connection at the same time. */
const CALLERS = 30
const TURNS = 70
const MINE = 'acme'
const THEIRS = 'rival'

interface Subject {
  /** Of one connection, as the role of this kind. */
  readonly pool: Database
  /** What the transactions of requests take on. */
  readonly role: string | undefined
}

const KINDS: Readonly<Record<string, (t: Test) => Promise<Subject>>> = {
  'as the role of the other tests': async t => subject(t, (await createDatabase(t)).url),
  'as an owner of nothing but the schema': t => owned(t, false),
  'as such an owner whose requests may take on their role': t => owned(t, true),
}

for (const [kind, prepare] of Object.entries(KINDS)) {
  t.test(kind, async t => {
    const { pool, role } = await prepare(t)
    await seed(pool, MINE)
    await seed(pool, THEIRS)
    const tables = await tablesOf(pool)

    t.test('two workspaces alternate on one connection and never see each other’s rows', async t => {
      const random = randomFrom(11)
      const before = await settings(pool)

      const wrong: unknown[] = []
      const callers = Array.from({ length: CALLERS }, async () => {
        for (let n = 0; n < TURNS; n += 1) {
          const [mine, theirs] = random.pick([
            [MINE, THEIRS],
            [THEIRS, MINE],
          ])
          const end = random.pick(['commit', 'throw', 'fail'])
          const table = random.pick(['items', 'item_revisions', 'streams', 'jobs'])
          const seen = await turn(pool, mine, theirs, table, end)
          if (seen.length === 0 || without(seen, mine).length > 0) wrong.push({ mine, table, seen })
          const after = n % 10 === 0 ? await settings(pool) : before
          if (after !== before) wrong.push({ end, after })
        }
      })
      await Promise.all(callers)

      t.strictSame(
        wrong,
        [],
        'each transaction saw only its own rows, and its workspace setting ended with it',
      )
    })

    t.test('no table lets a workspace read, write or delete rows of another one', async t => {
      const before = await rowsOf(pool, tables, THEIRS)
      t.ok(tables.includes('items') && tables.includes('audit') && tables.includes('api_keys'))

      for (const table of tables) {
        const columns = await columnsOf(pool, table)
        const own = `select ${columns.map(name => (name === 'workspace' ? `'${THEIRS}'` : name))} from sluice.${table}`
        const attempts = [
          `update sluice.${table} set workspace = workspace where workspace = '${THEIRS}'`,
          `update sluice.${table} set workspace = '${THEIRS}'`,
          `delete from sluice.${table} where workspace = '${THEIRS}'`,
          `insert into sluice.${table} (${columns}) overriding system value ${own} limit 1`,
        ]
        const seen = await attempt(pool, `select distinct workspace from sluice.${table}`)
        t.strictSame(without(seen.values, MINE), [], `${table} shows no row of another`)
        for (const sql of attempts) t.equal((await attempt(pool, sql)).count, 0, sql)
      }

      t.strictSame(await rowsOf(pool, tables, THEIRS), before, 'theirs are as they were')
      t.notOk(Object.values(before).includes(0), 'and there is one in each table')
    })

    t.test('a statement without a workspace condition reaches only rows of its own workspace', async t => {
      const items = new Items({ database: pool, onCommitted: () => undefined })

      const deleted = await inWorkspace(pool, MINE, client => client.query('delete from sluice.items'))
      const left = await items.list({ workspace: MINE }, { limit: 10 })
      const theirs = await items.list({ workspace: THEIRS }, { limit: 10 })

      t.equal(deleted.rowCount, 1)
      t.strictSame(left.value.items, [])
      t.equal(theirs.value.items.length, 1)
    })

    t.test('a function refuses a workspace that differs from that of its transaction', async t => {
      const refused = { code: SqlState.insufficientPrivilege }

      await t.rejects(
        inWorkspace(pool, MINE, client => append(client, THEIRS, FEED, 'item.created', '{}', 'me')),
        refused,
      )
      await t.rejects(
        inWorkspace(pool, MINE, client => ensureStream(client, THEIRS, 'other')),
        refused,
      )
    })

    t.test('no function takes the stream or the consumer of another workspace', async t => {
      const theirs = await ensureStream(pool, THEIRS, FEED)
      const create = `select sluice.create_consumer($1, gen_random_uuid(), 'pull', 'mine', 'feed', $2, null, null, null, 30000, 1, 0,
        gen_random_uuid(), true, 'me')`
      const seek = `select sluice.seek_consumer($1, md5($1)::uuid, $2, 0, gen_random_uuid())`
      const attach = `select sluice.create_webhook($1, md5($2)::uuid, 'https://x.example/', 'x', 'standard', 'ordered', 'pause', '{}', true)`

      const codes: unknown[] = []
      for (const [text, other] of [
        [create, theirs],
        [seek, theirs],
        [attach, THEIRS],
      ] as const) {
        const made = inWorkspace(pool, MINE, client => client.query(text, [MINE, other]))
        codes.push(await made.then(() => 'made', sqlState))
      }

      t.strictSame(codes, [SqlState.noStream, SqlState.noStream, SqlState.insufficientPrivilege])
    })

    t.test('no function of durable streams takes another workspace', async t => {
      const calls = [
        `select sluice.touch_durable($1, 's')`,
        `select sluice.remove_durable($1, 's')`,
        `select sluice.lock_source($1, 's')`,
        `select sluice.create_durable($1, 's', 'text/plain', null, null, null, false, null, null, null, null, null, '{}', 'me', null)`,
        `select sluice.create_durable_subscription($1, 's', 'pull-wake', null, null, null, 'x', null, null, 's', 'x', 1000, null, 'me', 9)`,
        `select sluice.link_durable_streams($1, 1, '{s}', 9)`,
        `select sluice.unlink_durable_stream($1, 1, 's')`,
        `select sluice.delete_durable_subscription($1, 's')`,
        `select sluice.backfill_durable_subscription($1, 1, 9)`,
        `select sluice.claim_durable_subscription($1, 's', 'me')`,
      ]

      for (const text of calls) {
        const called = inWorkspace(pool, MINE, client => client.query(text, [THEIRS]))
        await t.rejects(called, { code: SqlState.insufficientPrivilege }, text)
      }
    })

    t.test('a change of access inside a workspace notifies every process', async t => {
      const told = await inWorkspace(pool, MINE, async client => {
        await publishAccessChange(client, { change: 'revocations' })
        return await client.query<{ name: string }>(`select current_setting('sluice.workspace') as name`)
      })

      const { rows } = await pool.query<{ count: number }>(
        `select count(*) from sluice.events e join sluice.streams s on s.id = e.stream_id where s.workspace = '$system'`,
      )
      t.strictSame(told.rows, [{ name: MINE }])
      t.strictSame(rows, [{ count: 1 }])
    })

    t.test('an empty workspace name is refused', async t => {
      await t.rejects(
        inWorkspace(pool, '', async () => undefined),
        TypeError,
      )
    })

    if (role === undefined) return

    t.test('the role of requests sees nothing until its workspace is set', async t => {
      for (const table of [...tables, 'events']) {
        const seen = await attempt(pool, `select * from sluice.${table}`, `set local role ${role}`)
        t.equal(seen.count, 0, table)
      }
    })

    t.test('an event is visible in the workspace of its stream', async t => {
      const theirs = await ensureStream(pool, THEIRS, FEED)

      const page = await inWorkspace(pool, MINE, client => readPage(client, theirs, 0 as never, 10, 10_000))
      const all = await attempt(pool, 'select distinct stream_id from sluice.events')
      const own = await attempt(pool, 'select id from sluice.streams')

      t.strictSame(page, { anchor: undefined, events: [] })
      t.ok(all.values.length > 0 && all.values.every(id => own.values.includes(id)))
    })
  })
}

// Only a role that bypasses it may make another that does.
const mayBypass = process.env.SLUICE_TEST_ROLE !== 'plain'

t.test('a role that bypasses row-level security and may not create another role gets an error', async t => {
  if (!mayBypass) return

  const { url, pool } = await createDatabase(t)
  const name = await createRole(t, url, pool, 'bypassrls')
  const other = createPool(as(url, name), { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => other.end())

  const { gap, role } = await rowLevelSecurityOf(other)

  t.equal(role, undefined)
  t.match(gap, `create role sluice_request nologin; grant sluice_request to ${name};`)
})

t.test('a role that was granted the role of requests since the last start runs without it', async t => {
  const { url, pool } = await createEmptyDatabase(t)
  const name = await createRole(t, url, pool)
  await pool.query(`create schema sluice authorization ${name}`)
  await migrate(as(url, name))
  await grantRequests(pool, name)
  const other = createPool(as(url, name), { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => other.end())

  t.strictSame(await rowLevelSecurityOf(other), { gap: undefined, role: undefined })
})

t.test('a table without row-level security is reported', async t => {
  const { pool } = await createDatabase(t)
  await pool.query('alter table sluice.items no force row level security')

  t.match(await rowLevelSecurityOf(pool), { gap: 'It is switched off for items.' })
})

async function subject(t: Test, url: string): Promise<Subject> {
  const pool = createPool(url, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => pool.end())
  const { gap, role } = await rowLevelSecurityOf(pool)
  t.equal(gap, undefined, 'row-level security is complete')
  return { pool, role }
}

async function owned(t: Test, joined: boolean): Promise<Subject> {
  const { url, pool } = await createEmptyDatabase(t)
  const name = await createRole(t, url, pool)
  await pool.query(`create schema sluice authorization ${name}`)
  if (joined) await grantRequests(pool, name)
  await migrate(as(url, name))
  const made = await subject(t, as(url, name))
  t.equal(made.role !== undefined, joined)
  return made
}

async function createRole(t: Test, url: string, pool: Database, attributes = ''): Promise<string> {
  const name = uniqueName('role')
  await pool.query(`create role ${name} login password 'secret' ${attributes}; grant ${name} to current_user`)
  t.teardown(() => execute(url, `drop owned by ${name} cascade; drop role ${name}`))
  return name
}

/** The role is there already where a database of this server has been migrated by somebody who needs it. */
async function grantRequests(pool: Database, name: string): Promise<void> {
  await pool.query('create role sluice_request nologin').catch(() => undefined)
  await pool.query(`grant sluice_request to ${name}`)
}

function as(url: string, role: string): string {
  return url.replace(/\/\/[^@/]*@/, `//${role}:secret@`)
}

async function columnsOf(pool: Database, table: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [`sluice.${table}`],
  )
  return rows.map(({ name }) => name)
}

/** What a statement shows or changes within MINE; nothing when it is refused. It is rolled back. */
async function attempt(pool: Database, sql: string, first = 'select') {
  const refused = { count: 0, values: [] as unknown[] }
  const undo = new Error('undo')
  let seen = refused
  const work = async (client: WorkspaceClient) => {
    if (first !== 'select') await client.query(`set local sluice.workspace = ''; ${first}`)
    const { rows, rowCount } = await client.query(sql)
    seen = { count: rowCount ?? 0, values: rows.map(row => Object.values(row)[0]) }
    throw undo
  }
  await inWorkspace(pool, MINE, work).catch(error => {
    // Refused by a policy or for want of a right; by the trigger that keeps the audit log as it is.
    if (error !== undo && !['42501', '55000'].includes(sqlState(error) ?? '')) throw error
  })
  return seen
}

/** The workspaces that a table shows, and then an end of one kind or another. */
async function turn(pool: Database, mine: string, theirs: string, table: string, end: string) {
  let seen: string[] = []
  const work = async (client: WorkspaceClient) => {
    const { rows } = await client.query<{ workspace: string }>(`select workspace from sluice.${table}`)
    seen = rows.map(({ workspace }) => workspace)
    if (end === 'throw') throw new Error('thrown')
    if (end === 'fail') await client.query(`update sluice.items set workspace = '${theirs}'`)
  }
  await inWorkspace(pool, mine, work).catch(error => {
    if (error.message !== 'thrown' && sqlState(error) !== SqlState.insufficientPrivilege) throw error
  })
  return seen
}

async function settings(pool: Database): Promise<string> {
  const { rows } = await pool.query<{ now: string }>(
    `select concat_ws(' ', current_user, nullif(current_setting('sluice.workspace', true), '')) as now`,
  )
  return rows[0]?.now ?? ''
}

function without(values: readonly unknown[], value: unknown): unknown[] {
  return values.filter(other => other !== value)
}
