/**
 * The database moves to another server, from PostgreSQL 15 to the newest one, by dump and restore and by logical replication, as
 * docs/operations.md describes it under "Moving to another server"; the statements of the second come from there. The clients move
 * with it and keep their places.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { fences, read, section } from '../../harness/document.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { startProcess } from '../../harness/process.js'
import { execute, temporaryFolder } from '../../harness/server.js'
import { until } from '../../harness/until.js'
import { createStreams, startCrowd } from './crowd.js'

const run = promisify(execFile)
/** It has pg_dump and pg_restore, which the embedded one lacks. */
const DEBIAN_15 = '/usr/lib/postgresql/15/bin'
const skip = !existsSync(join(DEBIAN_15, 'pg_dump')) && `needs ${DEBIAN_15}`
const CLIENTS = 12
const env = { HEARTBEAT_MS: '500' }
const READ_ONLY = `alter database postgres set default_transaction_read_only = on`
const CUT = `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres' and pid <> pg_backend_pid()
  and backend_type = 'client backend'`
/** Of the tables of which the new server has everything. */
const LOGGED_TABLES = `select c.relname as name from pg_class c
  where c.relnamespace = 'sluice'::regnamespace and c.relkind = 'r' and c.relpersistence = 'p' order by 1`

interface Servers {
  readonly old: OwnPostgres
  readonly anew: OwnPostgres
}

t.test(
  'a dump of PostgreSQL 15 is restored into 18 under running gateways: no client notices but by the pause',
  { skip },
  t =>
    moves(t, {
      carry: async ({ old, anew }) => restore(anew, await dumpOf(old)),
    }),
)

t.test(
  'logical replication moves PostgreSQL 15 to 18 under running gateways: no client notices but by the pause',
  { skip },
  async t => {
    const [publication, subscription, copied, caughtUp, sequences, end, ...more] = fences(
      section(read('docs/operations.md'), '## Backups and failover'),
    ).filter(({ info }) => /^sql (old|new)$/.test(info))
    t.strictSame(more, [], 'the page has no statement that is not run')
    const at = ({ old, anew }: Servers, step = publication) =>
      execute((step?.info === 'sql old' ? old : anew).url, step?.text ?? '')
    const isDone = (servers: Servers, step = publication) =>
      until(
        `${step?.text} says so`,
        async () => (await at(servers, step)).rows.every(({ done }) => done === true),
        60_000,
      )

    await moves(t, {
      prepare: async servers => {
        const { old, anew } = servers
        await restore(anew, await dumpOf(old, ['--schema-only']))
        await at(servers, publication)
        const { port } = new URL(old.url)
        const text = subscription?.text.replace(
          /'host=.*?'/,
          `'host=127.0.0.1 port=${port} dbname=postgres user=postgres'`,
        )
        await execute(anew.url, text ?? '')
        await isDone(servers, copied)
      },
      carry: async servers => {
        await isDone(servers, caughtUp)
        const { rows } = await at(servers, sequences)
        for (const { statement } of rows) await execute(servers.anew.url, statement)
        await at(servers, end)
      },
    })
  },
)

type Step = (servers: Servers) => Promise<void>

interface Move {
  /** While the old server is in use. */
  readonly prepare?: Step
  /** While the old server is read-only. */
  readonly carry: Step
}

async function moves(t: Test, { prepare, carry }: Move): Promise<void> {
  const old = await preparePostgres(t, { wal_level: 'logical' }, undefined, DEBIAN_15)
  const anew = await preparePostgres(t)
  await Promise.all([old.start(), anew.start()])
  await migrate(old.url)
  await createStreams(old.url)
  const address = await startProxy(t, old.url)
  const gateways = await Promise.all([1, 2].map(() => startProcess(t, { databaseUrl: address.url, env })))
  const crowd = startCrowd(t, {
    origins: () => gateways.map(({ url }) => url),
    databaseUrl: () => address.url,
    planned: ['read-only', 'promoted'],
    clients: CLIENTS,
  })
  await crowd.goOn()
  await prepare?.({ old, anew })
  await crowd.goOn()
  const before = crowd.steady.map(({ connections }) => connections)

  crowd.recorder.fault('read-only')
  const pause = performance.now()
  await execute(old.url, READ_ONLY)
  await execute(old.url, CUT)
  await carry({ old, anew })
  t.strictSame(await contentOf(anew), await contentOf(old), 'the new server has every row of the old one')
  crowd.recorder.fault('promoted')
  address.databaseUrl = anew.url
  await address.unplug()
  await address.plugIn()
  for (const fault of ['read-only', 'promoted']) crowd.recorder.healed(fault)
  const back = performance.now()
  await crowd.goOn()
  t.comment(
    `every publisher stored five times ${Math.round(performance.now() - back)} ms after the move, which took ${Math.round(back - pause)} ms`,
  )
  // Its number comes from a sequence.
  await execute(anew.url, `select sluice.publish('acme', 'made-after-the-move', 'thing.made', '{}')`)

  t.strictSame(
    crowd.steady.map(({ connections }) => connections),
    before,
    'no stream of a client that stayed was closed',
  )
  await old.stop()
  const verdict = await crowd.settle(anew.url)
  t.equal(verdict.findings, 0, `${verdict}`)
  t.equal(verdict.count('resets'), 0)
  t.comment(`${verdict}`)
}

/** Of each table the number of its rows, and a hash of them in the order of their texts. */
async function contentOf({ url }: OwnPostgres): Promise<readonly (readonly [string, string])[]> {
  const { rows } = await execute(url, LOGGED_TABLES)
  return await Promise.all(
    rows.map(async ({ name }): Promise<readonly [string, string]> => {
      const found = await execute(
        url,
        `select format('%s rows, %s', count(*), md5(string_agg(r::text, ',' order by r::text collate "C"))) as content from sluice.${name} r`,
      )
      return [name, found.rows[0].content]
    }),
  )
}

/** @returns the file. */
async function dumpOf({ url }: OwnPostgres, options: readonly string[] = []): Promise<string> {
  const dump = join(await temporaryFolder(), 'app.dump')
  await run(join(DEBIAN_15, 'pg_dump'), [
    '--format=custom',
    '--schema=sluice',
    ...options,
    `--file=${dump}`,
    `--dbname=${url}`,
  ])
  return dump
}

async function restore({ url }: OwnPostgres, dump: string): Promise<void> {
  await execute(url, 'create role sluice_request nologin').catch(() => {})
  await run(join(DEBIAN_15, 'pg_restore'), ['--exit-on-error', `--dbname=${url}`, dump])
}
