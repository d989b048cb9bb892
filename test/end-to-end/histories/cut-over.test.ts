/**
 * The database moves to another server, from PostgreSQL 15 to the newest one, by dump and restore, as
 * docs/operations.md describes it under "Moving to another server". The clients move with it and keep their places.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { startProcess } from '../../harness/process.js'
import { execute, temporaryFolder } from '../../harness/server.js'
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

t.test(
  'a dump of PostgreSQL 15 is restored into 18 under running gateways: no client notices but by the pause',
  { skip },
  t =>
    moves(t, async (old, anew) => {
      const { dump } = await dumpOf(old)
      await restore(anew, dump)
    }),
)

type Step = (old: OwnPostgres, anew: OwnPostgres) => Promise<void>

/** @param carry while the old server is read-only. */
async function moves(t: Test, carry: Step): Promise<void> {
  const old = await preparePostgres(t, {}, undefined, DEBIAN_15)
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
  const before = crowd.steady.map(({ connections }) => connections)

  crowd.recorder.fault('read-only')
  await execute(old.url, READ_ONLY)
  await execute(old.url, CUT)
  await carry(old, anew)
  crowd.recorder.fault('promoted')
  address.databaseUrl = anew.url
  await address.unplug()
  await address.plugIn()
  for (const fault of ['read-only', 'promoted']) crowd.recorder.healed(fault)
  const back = performance.now()
  await crowd.goOn()
  t.comment(`every publisher stored five times ${Math.round(performance.now() - back)} ms after the move`)

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

async function dumpOf({ url }: OwnPostgres): Promise<{ dump: string }> {
  const dump = join(await temporaryFolder(), 'app.dump')
  await run(join(DEBIAN_15, 'pg_dump'), [
    '--format=custom',
    '--schema=sluice',
    `--file=${dump}`,
    `--dbname=${url}`,
  ])
  return { dump }
}

async function restore({ url }: OwnPostgres, dump: string): Promise<void> {
  await execute(url, 'create role sluice_request nologin').catch(() => {})
  await run(join(DEBIAN_15, 'pg_restore'), ['--exit-on-error', `--dbname=${url}`, dump])
}
