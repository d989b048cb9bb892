/**
 * Another role of the same database: it may log in, and nothing else was granted to it. It receives every NOTIFY and sees
 * the catalogues, as every role does. It must learn nothing about the content of events, and break nothing.
 */
import pg from 'pg'
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { uniqueName } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const CHANNEL = 'sluice_wake'
const SECRET_TEXT = 'the-merger-is-on-friday'
const DENIED = '42501'

t.test('a foreign role that listens to everything learns nothing of the events', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const other = await startGateway(t, { databaseUrl })
  const stranger = await foreignRole(t, databaseUrl, pool)
  const heard: string[] = []
  stranger.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload}`))
  for (const channel of [CHANNEL, 'sluice', 'feed', 'events', 'acme'])
    await stranger.query(`listen "${channel}"`)
  const stream = await openStream(t, `${other.url}/api/events`, { headers: as('viewer') })

  await publish(gateway, { type: 'merger.planned', data: { text: SECRET_TEXT } })
  await pool.query(`select sluice.publish('acme', 'feed', 'merger.planned', '{"text":"${SECRET_TEXT}"}')`)

  await stream.until(2, 'merger.planned')
  await until('a wake', () => heard.length > 0)
  for (const line of heard)
    t.match(line, /^sluice_wake [0-9a-f-]{0,36}:[0-9,]*$/, 'who says so, and numbers of streams')
  const { rows } = await stranger.query('select query, application_name from pg_stat_activity')
  t.notMatch(JSON.stringify(rows), SECRET_TEXT)
  t.notMatch(JSON.stringify(rows), 'merger')
  for (const view of ['pg_stats', 'pg_stats_ext', 'pg_prepared_statements', 'pg_cursors']) {
    const found = await stranger.query(`select * from ${view}`)
    t.notMatch(JSON.stringify(found.rows), /merger|sluice/, view)
  }
})

t.test('that role may read no table, call no function and change no setting', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const stranger = await foreignRole(t, databaseUrl, pool)
  const { rows: tables } = await pool.query<{ name: string }>(
    `select relname as name from pg_class
      where relnamespace = 'sluice'::regnamespace and relkind in ('r', 'v', 'm', 'S', 'p')`,
  )
  const { rows: functions } = await pool.query<{ name: string; callable: boolean }>(
    `select p.oid::regprocedure::text as name, has_function_privilege($1, p.oid, 'execute') as callable
       from pg_proc p where pronamespace = 'sluice'::regnamespace`,
    [stranger.role],
  )

  for (const { name } of tables) {
    for (const sql of [
      `select * from sluice.${name}`,
      `delete from sluice.${name}`,
      `truncate sluice.${name}`,
    ]) {
      await t.rejects(stranger.query(sql), { code: /^(42501|42809)$/ }, sql)
    }
  }
  t.same(
    functions.filter(({ callable }) => callable).map(({ name }) => name),
    [],
  )
  for (const sql of [
    "select sluice.publish('acme', 'feed', 'a.b', '{}')",
    "select sluice.publish('$system', 'access', 'access.changed', '{}')",
    'create table sluice.mine (a int)',
    'create function sluice.append() returns int language sql as $$ select 1 $$',
    'alter schema sluice rename to mine',
    'drop schema sluice cascade',
    'create trigger t after insert on sluice.events execute function pg_notify()',
    'set role postgres',
  ]) {
    await t.rejects(stranger.query(sql), { code: new RegExp(`^(${DENIED}|42883|22023)$`) }, sql)
  }
  t.ok(tables.length > 8 && functions.length > 8, `${tables.length} tables, ${functions.length} functions`)
})

// Attack: wakes of its own, thousands, for streams that do not exist, of all sizes, and texts that are none.
t.test('a flood of forged wakes loses nothing and stops nothing', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const stranger = await foreignRole(t, databaseUrl, pool)
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)
  const forged = [
    '1',
    '999999999',
    '99999999999999999999999999',
    '-1',
    '0',
    '1,1,1,1',
    'NaN',
    '1e9',
    '',
    '{"stream":1}',
    '1; drop table sluice.events',
    Array.from({ length: 1_500 }, (_, at) => at).join(','),
    'x'.repeat(7_900),
  ]

  const flood = (async () => {
    for (let round = 0; round < 100; round++) {
      for (const text of forged) await stranger.query('select pg_notify($1, $2)', [CHANNEL, text])
    }
  })()
  const sent: string[] = []
  for (let n = 0; n < 50; n++) sent.push(...(await publish(gateway, { type: 'tick', data: { n } })))
  await flood

  const ticks = await stream.until(50, 'tick')
  t.strictSame(
    ticks.map(({ id }) => id),
    sent,
  )
  await until('it is ready', async () => (await fetch(`${gateway.url}/ready`)).status === 200)
})

/** A connection of a role that was granted nothing. Both are gone when the test is over. */
async function foreignRole(t: Test, databaseUrl: string, pool: { query(sql: string): Promise<unknown> }) {
  const role = uniqueName('stranger')
  await pool.query(`create role ${role} login password 'stranger'`)
  const url = databaseUrl.replace(/^(\w+:\/\/)([^@/?]*@)?/, `$1${role}:stranger@`)
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(async () => {
    await client.end()
    await pool.query(`drop role ${role}`)
  })
  return Object.assign(client, { role })
}
