/** The checks of `sluice doctor` on a real server: each is content with a good one, and finds what was broken for it. */
import pg from 'pg'
import t, { type Test } from 'tap'
import { type DoctorOptions, examine } from '../../../server/cli/doctor/doctor.js'
import type { Finding } from '../../../server/cli/doctor/finding.js'
import { migrate } from '../../../src/database/migrate.js'
import { BROKER_KINDS, brokerFor, startBroker, withoutBroker } from '../../harness/broker-server.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'
import { startPgBouncer, withoutPgBouncer } from '../../harness/pgbouncer.js'
import { freePort } from '../../harness/port.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import { execute, withDatabase } from '../../harness/server.js'
import { until } from '../../harness/until.js'

/** A user with rights to the channels of one prefix. */
const NARROW = {
  nats: `authorization { users: [
    { user: gateway, password: a-password, permissions: { publish: "sluice.>", subscribe: "sluice.>" } }
  ] }`,
  redis: 'user default off\nuser gateway on >a-password resetchannels &sluice.* -@all +publish +subscribe',
} as const

interface Look {
  readonly listenUrl?: string
  readonly oldS?: number
}

/** What doctor finds in a database, without what it cannot see without a gateway. */
async function look(databaseUrl: string, { listenUrl, oldS = 300 }: Look = {}): Promise<Finding[]> {
  const findings: Finding[] = []
  const options = { databaseUrl, listenUrl, poolSize: 10, retentionDays: 30, oldS, waitMs: 0 }
  await examine({ ...options, signal: new AbortController().signal }, async finding => {
    findings.push(finding)
  })
  return findings.filter(({ check }) => check !== 'gateway-reached')
}

/** The checks that are not content: `database-listen fault`. */
function unwell(findings: readonly Finding[]): string[] {
  return findings.filter(({ verdict }) => verdict !== 'ok').map(({ check, verdict }) => `${check} ${verdict}`)
}

function textOf(findings: readonly Finding[], check: string): string {
  return findings
    .filter(finding => finding.check === check)
    .map(({ text, remedy }) => `${text} → ${remedy}`)
    .join('\n')
}

for (const kind of BROKER_KINDS) {
  t.test(
    `${kind}: the bus is found in order, and each fault is found`,
    { skip: withoutBroker(kind) },
    async t => {
      const server = await startBroker(t, kind, NARROW[kind])
      const at = (user: string, prefix = 'sluice') => {
        const url = server.url.replace('://', `://${user}:a-password@`)
        return { broker: brokerFor({ kind, url }), prefix }
      }
      const found = async (broker: NonNullable<DoctorOptions['broker']>) => {
        const findings: Finding[] = []
        const options = { broker, poolSize: 10, retentionDays: 30, oldS: 300, waitMs: 0 }
        await examine({ ...options, signal: new AbortController().signal }, async finding => {
          findings.push(finding)
        })
        return findings.filter(({ check }) => check === 'bus-reached')
      }

      t.match(await found(at('gateway')), [{ verdict: 'ok', text: /returns its message, in \d+ ms/ }])
      const [stranger] = await found(at('stranger'))
      t.match(stranger, { verdict: 'fault', text: /WRONGPASS|Authorization/i, remedy: /(NATS|REDIS)_URL/ })
      t.notMatch(JSON.stringify(stranger), 'a-password')
      t.match(await found(at('gateway', 'other')), [
        { verdict: 'fault', text: /permission/i, remedy: /other\.\*/ },
      ])
      await server.kill()
      t.match(await found(at('gateway')), [{ verdict: 'fault', text: /refused/i }])
    },
  )
}

t.test('a database as docs/operations.md wants it is found in order, and each fault is found', async t => {
  const server = await ownServer(t)
  const { url } = server
  t.strictSame(unwell(await look(url)), [], 'nothing is wrong')

  await t.test('what other sessions keep', async t => {
    const old = await connect(t, url)
    await old.query('begin isolation level repeatable read')
    await old.query('select 1')
    await until('the transaction is a second old', async () => {
      const { rows } = await execute(
        url,
        `select 1 from pg_stat_activity where xact_start < now() - interval '1 s'`,
      )
      return rows.length > 0
    })
    await execute(
      url,
      `begin; select sluice.publish('acme', 'feed', 'door.opened', '{}'); prepare transaction 'left'`,
    )
    await execute(url, `select pg_create_physical_replication_slot('idle', true)`)

    const young = await look(url)
    const aged = await look(url, { oldS: 1 })

    t.strictSame(unwell(young), [
      'database-prepared-transactions warning',
      'database-replication-slots warning',
    ])
    t.match(textOf(young, 'database-replication-slots'), /slot idle, .*drop_replication_slot\('idle'\)/)
    t.strictSame(unwell(aged), [
      'database-old-snapshots warning',
      'database-prepared-transactions warning',
      'database-replication-slots warning',
    ])
    t.match(
      textOf(aged, 'database-old-snapshots'),
      /process \d+ \(culprit, idle in transaction\).*pg_terminate_backend/,
    )
    t.match(textOf(aged, 'database-prepared-transactions'), /'left'.*rollback prepared 'left'|'left'.*soon/)

    await until('the prepared transaction is a second old', async () =>
      unwell(await look(url, { oldS: 1 })).includes('database-prepared-transactions fault'),
    )
    await old.query('rollback')
    await execute(url, `rollback prepared 'left'`)
    // It would wait for the prepared transaction.
    await execute(url, `select pg_create_logical_replication_slot('stuck', 'pgoutput')`)
    const stuck = await look(url)
    t.match(textOf(stuck, 'database-replication-slots'), /slot stuck, .* and removed rows/)
    t.ok(unwell(stuck).includes('database-replication-slots fault'))
    await execute(url, `select pg_drop_replication_slot(slot_name) from pg_replication_slots`)
  })

  await t.test('the queue of NOTIFY', async t => {
    const culprit = await connect(t, url)
    await culprit.query('listen anything')
    await culprit.query('begin')
    await culprit.query('select 1')
    await execute(
      url,
      `do $$ begin while pg_notification_queue_usage() < 0.6 loop perform pg_notify('other', repeat('x', 7000) || random()); commit; end loop; end $$`,
    )

    const full = await look(url)
    await culprit.query('rollback')

    t.match(unwell(full), ['database-notify-queue fault'])
    t.match(
      textOf(full, 'database-notify-queue'),
      /is [67]\d % full.*The oldest one is process \d+ \(culprit\)/,
    )
    await until('it is empty', async () => unwell(await look(url)).length === 0)
  })

  await t.test('settings and limits', async t => {
    const database = await cloneOf(t, url, 'settings')
    const set = (sql: string) => execute(url, `alter database settings ${sql}`)

    await set('set default_transaction_read_only = on')
    const readOnly = await look(database)
    await set('reset default_transaction_read_only')
    await set('set synchronous_commit = off')
    const loose = await look(database)
    await set('reset synchronous_commit')
    await set('set session_replication_role = replica')
    const replica = await look(database)
    await set('reset session_replication_role')
    await set('connection limit 12')
    const narrow = await look(database)
    await set('connection limit 5')
    const tight = await look(database)
    await set('connection limit -1')

    t.strictSame(unwell(readOnly), ['database-primary fault'])
    t.strictSame(unwell(loose), ['database-durability warning'])
    t.strictSame(unwell(replica), ['database-settings fault'])
    t.strictSame(unwell(narrow), ['database-connections warning'])
    t.strictSame(unwell(tight), ['database-connections fault'])
    t.match(textOf(tight, 'database-connections'), /\d of 5 connections .*limit of the database/)
    t.strictSame(unwell(await look(database)), [])
  })

  await t.test('roles and rights', async t => {
    const database = await cloneOf(t, url, 'rights')
    await execute(url, `create role stranger login; create role partner login`)
    const as = (role: string) => database.replace('//postgres@', `//${role}@`)

    const stranger = await look(as('stranger'))
    await execute(database, 'alter schema sluice owner to partner')
    const half = await look(as('partner'))
    await execute(database, 'alter table sluice.items disable row level security')
    const open = await look(database)

    t.ok(unwell(stranger).includes('database-rights fault'))
    t.match(textOf(stranger, 'database-rights'), /belongs to postgres, and stranger is not a member/)
    t.match(textOf(stranger, 'database-old-snapshots'), /hidden from this role.*pg_read_all_stats/)
    t.match(
      textOf(stranger, 'database-migrations'),
      /could not be checked: permission denied.*Run doctor with the DATABASE_URL of the gateway/,
    )
    t.match(textOf(half, 'database-rights'), /belongs to other roles than partner: function .*reassign owned/)
    t.strictSame(unwell(open), ['database-row-level-security warning'])
    t.match(textOf(open, 'database-row-level-security'), /switched off for items/)
  })

  await t.test('migrations', async t => {
    const database = await cloneOf(t, url, 'versions')
    await execute(database, `delete from sluice.migrations where name like '0045%'`)
    const behind = await look(database)
    await execute(database, `insert into sluice.migrations (name, run_on) values ('9999_later', now())`)
    const ahead = await look(database)
    const { url: empty } = await createEmptyDatabase(t)
    const fresh = await look(empty)

    t.strictSame(unwell(behind), ['database-migrations warning'])
    t.match(
      textOf(behind, 'database-migrations'),
      /lacks 1 of the \d+ migrations .* from 0045_known_ways on.*sluice migrate/,
    )
    t.strictSame(unwell(ahead), ['database-migrations fault'])
    t.match(textOf(ahead, 'database-migrations'), /newer Sluice .* does not know 9999_later/)
    t.match(textOf(fresh, 'database-rights'), /no schema sluice.*sluice migrate/)
  })

  await t.test('the log', async t => {
    const database = await cloneOf(t, url, 'log')
    const publish = (stream: string, count: number) =>
      execute(
        database,
        `select sluice.publish('acme', '${stream}', 'door.opened', json_build_object('n', n)) from generate_series(1, ${count}) n`,
      )
    for (const stream of ['whole', 'torn', 'beheaded', 'twisted', 'late']) await publish(stream, 10)
    t.strictSame(unwell(await look(database)), [])
    const tear = (sql: string) => execute(database, `set session_replication_role = replica; ${sql}`)
    const of = (stream: string) => `stream_id = (select id from sluice.streams where name = '${stream}')`

    await tear(`delete from sluice.events where ${of('torn')} and position = 5`)
    const torn = await look(database)
    await tear(`delete from sluice.streams where name = 'torn'`)
    await tear(`delete from sluice.events where ${of('beheaded')} and position = 1`)
    const beheaded = await look(database)
    await tear(`delete from sluice.streams where name = 'beheaded'`)
    await tear(`update sluice.events set at = at - interval '1 day' where ${of('twisted')} and position = 6`)
    const twisted = await look(database)
    await tear(`delete from sluice.streams where name = 'twisted'`)
    await tear(`update sluice.streams set oldest_at = now() - interval '40 days' where name = 'late'`)
    const late = await look(database)
    await tear(`delete from sluice.streams where name = 'late'`)
    await execute(database, `select sluice.configure_workspace('nobody', '{"max_events": 5}')`)
    const idle = await look(database)

    t.strictSame([torn, beheaded, twisted].map(unwell), Array(3).fill(['log-density fault']))
    t.match(textOf(torn, 'log-density'), /torn of acme .* between 1 and 10 there are 9 events instead of 10/)
    t.match(textOf(beheaded, 'log-density'), /the oldest event is at 2, but retention ended at 0/)
    t.match(textOf(twisted, 'log-density'), /an event is older than the one before it/)
    t.strictSame(unwell(late), ['log-retention warning'])
    t.match(textOf(late, 'log-retention'), /1 stream is due, late of acme for 10 days/)
    t.strictSame(unwell(idle), ['log-options warning'])
    t.match(textOf(idle, 'log-options'), /workspace nobody, which has no streams/)
  })

  await t.test('LISTEN through a pooler', { skip: withoutPgBouncer() }, async t => {
    const elsewhere = await cloneOf(t, url, 'elsewhere')
    const [sessions, transactions] = [
      await startPgBouncer(t, url, 'session'),
      await startPgBouncer(t, url, 'transaction'),
    ]

    const swallowed = await look(transactions)
    const lent = await look(sessions)
    const right = await look(transactions, { listenUrl: url })
    const wrong = await look(transactions, { listenUrl: transactions })
    const split = await look(url, { listenUrl: elsewhere })

    t.strictSame(unwell(swallowed), ['database-pooler fault', 'database-listen fault'])
    t.match(
      textOf(swallowed, 'database-listen'),
      /through DATABASE_URL: the pooler there swallows it.*Set LISTEN_DATABASE_URL/,
    )
    t.strictSame(unwell(lent), ['database-pooler fault', 'database-listen warning'])
    t.strictSame(unwell(right), [])
    t.strictSame(unwell(wrong), ['database-listen fault'])
    t.strictSame(unwell(split), ['database-listen fault'])
    t.match(textOf(split, 'database-listen'), /lead to different databases/)
  })

  await t.test('a standby, and a server that is down', async t => {
    await server.stop()
    const down = await look(url)
    await server.demote()
    await server.start()
    const standby = await look(url)

    t.match(down, [{}, { check: 'database-reached', verdict: 'fault', remedy: /DATABASE_URL/ }])
    t.match(unwell(standby), ['database-primary fault', 'database-listen unknown'])
    t.match(textOf(standby, 'database-primary'), /standby .*Set DATABASE_URL to the primary/)
  })
})

t.test('a server that loses acknowledged events in a crash is found', async t => {
  const { url } = await createDatabase(t)

  const found = await look(url)

  // The server of the tests, unless it is given.
  const { rows } = await execute(url, 'show fsync')
  t.equal(unwell(found).includes('database-durability fault'), rows[0].fsync === 'off')
})

t.test('a database that does not exist, or does not answer, is a fault with a remedy', async t => {
  const { url } = await createEmptyDatabase(t)

  const missing = await look(withDatabase(url, 'nowhere'))
  const dead = await look(`postgres://postgres@127.0.0.1:${await freePort()}/app`)

  t.match(missing, [{}, { check: 'database-reached', verdict: 'fault', remedy: /^Create it/ }])
  t.match(dead, [{}, { check: 'database-reached', verdict: 'fault', remedy: /^Check DATABASE_URL/ }])
})

async function ownServer(t: Test): Promise<OwnPostgres> {
  const server = await preparePostgres(t, {
    ...{ fsync: 'on', wal_level: 'logical', max_prepared_transactions: '5', max_connections: '60' },
    ...{ max_notify_queue_pages: '64', autovacuum: 'on' },
  })
  await server.start()
  await migrate(server.url)
  return server
}

/** A further database of the server, as it was migrated. */
async function cloneOf(t: Test, url: string, name: string): Promise<string> {
  await execute(withDatabase(url, 'template1'), `create database ${name} template postgres`)
  t.teardown(() => execute(withDatabase(url, 'template1'), `drop database ${name} with (force)`))
  return withDatabase(url, name)
}

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'culprit' })
  await client.connect()
  t.teardown(() => client.end())
  return client
}
