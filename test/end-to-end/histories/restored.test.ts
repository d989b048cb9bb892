/**
 * A base backup and archived WAL, restored to an earlier moment at the same address while the gateways go on: docs/operations.md,
 * "Backups and failover".
 */
import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { recordLost } from '../../checker/kept-rows.js'
import { openStream } from '../../harness/event-stream.js'
import { as } from '../../harness/gateway.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import { startProcess } from '../../harness/process.js'
import { execute, temporaryFolder } from '../../harness/server.js'
import { until } from '../../harness/until.js'
import { createStreams, startCrowd } from './crowd.js'

const run = promisify(execFile)
const CLIENTS = 12
const env = { HEARTBEAT_MS: '500' }
/** More than a sequence writes ahead into the WAL, so that numbers of lost streams are given again. */
const LOST_STREAMS = 80

t.test('a backup is restored to an earlier moment under running gateways', async t => {
  const archive = await temporaryFolder()
  t.teardown(() => rm(archive, { recursive: true, force: true }))
  await run('chmod', ['777', archive])
  const settings = {
    archive_mode: 'on',
    archive_command: `cp %p ${archive}/%f`,
    restore_command: `cp ${archive}/%f %p`,
    recovery_target_name: 'earlier',
    recovery_target_action: 'promote',
  }
  const postgres = await preparePostgres(t, settings)
  await postgres.start()
  await migrate(postgres.url)
  await createStreams(postgres.url)
  const gateways = await Promise.all([1, 2].map(() => startProcess(t, { databaseUrl: postgres.url, env })))
  const crowd = startCrowd(t, {
    origins: () => gateways.map(({ url }) => url),
    databaseUrl: () => postgres.url,
    planned: ['postgres-stopped', 'restored'],
    clients: CLIENTS,
  })
  await crowd.goOn()

  const backup = await baseBackup(postgres)
  await crowd.goOn()
  await execute(postgres.url, `select pg_create_restore_point('earlier')`)
  await execute(
    postgres.url,
    `select sluice.publish('acme', 'late-' || n, 'thing.made', '{"late":true}') from generate_series(1, ${LOST_STREAMS}) n`,
  )
  const late = await openStream(
    t,
    `${gateways[0]?.url}/api/events?stream=late-${LOST_STREAMS}&from=beginning`,
    {
      headers: as('viewer'),
    },
  )
  await late.until(1, 'thing.made')
  await crowd.goOn()
  await execute(postgres.url, 'select pg_switch_wal()')
  crowd.recorder.fault('postgres-stopped')
  crowd.recorder.fault('restored')
  await postgres.stop()
  const lostFiles = await copyOf(postgres.cluster)
  await replace(postgres, backup)
  await postgres.start()
  await until('the restored server is writable', async () => {
    const { rows } = await execute(postgres.url, 'select pg_is_in_recovery() as recovers')
    return rows[0].recovers === false
  })
  await execute(
    postgres.url,
    `select sluice.publish('globex', 'hidden-' || n, 'thing.made', '{"hidden":true}') from generate_series(1, ${2 * LOST_STREAMS}) n`,
  )
  crowd.recorder.healed('postgres-stopped')
  crowd.recorder.healed('restored')
  const back = performance.now()
  await crowd.goOn()
  t.comment(`every publisher stored five times ${Math.round(performance.now() - back)} ms after the restore`)

  t.equal(await late.ended(), true)
  t.match(late.messages.at(-1), { event: 'reset', data: /"reason":"deleted"/ })
  t.notMatch(late.text(), /hidden/)
  const before = await preparePostgres(t, {}, { cluster: lostFiles })
  await before.start()
  let lost = 0
  const verdict = await crowd.settle(postgres.url, async pool => {
    lost = await recordLost(before.url, pool, crowd.recorder)
  })
  t.equal(verdict.findings, 0, `${verdict}`)
  t.ok(lost > 20, `${lost} events were lost`)
  t.ok(verdict.count('resets') >= CLIENTS / 2, `${verdict.count('resets')} resets`)
  t.comment(`${verdict}`)
})

/** By the low-level interface (PostgreSQL manual, "Making a Base Backup Using the Low Level API"). @returns the folder. */
async function baseBackup({ url, cluster }: OwnPostgres): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`select pg_backup_start('hour', true)`)
    const copy = await copyOf(cluster)
    await rm(join(copy, 'postmaster.pid'), { force: true })
    await rm(join(copy, 'pg_wal'), { recursive: true, force: true })
    const { rows } = await client.query(`select labelfile from pg_backup_stop(false)`)
    await writeFile(join(copy, 'backup_label'), rows[0].labelfile)
    return copy
  } finally {
    await client.end()
  }
}

/** Of a running server: files that it removes meanwhile are missing, which the WAL repairs. */
async function copyOf(cluster: string): Promise<string> {
  const copy = join(await emptyFolder(dirname(cluster)), 'postgres')
  await run('cp', ['-a', cluster, copy]).catch(error => {
    if (!/No such file/.test(error.stderr)) throw error
  })
  return copy
}

async function emptyFolder(within: string): Promise<string> {
  const folder = join(within, `copy-${Date.now()}`)
  await mkdir(folder)
  return folder
}

/** The backup in the place of the server's files, to be recovered at the next start. */
async function replace({ cluster }: OwnPostgres, backup: string): Promise<void> {
  await rm(cluster, { recursive: true })
  await run('cp', ['-a', backup, cluster])
  await mkdir(join(cluster, 'pg_wal'))
  await writeFile(join(cluster, 'recovery.signal'), '')
  await run('chown', ['-R', '--reference', join(cluster, 'PG_VERSION'), cluster])
}
