/** A migrated primary and a streaming standby, which follows it through a network that can be unplugged. */
import type { Test } from 'tap'
import { migrate } from '../../src/database/migrate.js'
import { preparePostgres } from './postgres.js'
import { startProxy } from './postgres-proxy.js'
import { execute } from './server.js'
import { until } from './until.js'

export type Pair = Awaited<ReturnType<typeof startPair>>

export async function startPair(t: Test) {
  const primary = await preparePostgres(t)
  await primary.start()
  await migrate(primary.url)
  await primary.stop()
  const replication = await startProxy(t, primary.url)
  const { port } = new URL(replication.url)
  const standby = await preparePostgres(
    t,
    { primary_conninfo: `host=127.0.0.1 port=${port} user=postgres sslmode=disable gssencmode=disable` },
    primary,
  )
  await standby.demote()
  await primary.start()
  await standby.start()
  return { primary, standby, replication }
}

/** Resolves when the standby has replayed everything that the primary has committed. */
export async function inStep({ primary, standby }: Pick<Pair, 'primary' | 'standby'>): Promise<void> {
  const { rows } = await execute(primary.url, 'select pg_current_wal_lsn()::text as place')
  await until('the standby is in step', async () => {
    const replayed = await execute(
      standby.url,
      `select pg_last_wal_replay_lsn() >= '${rows[0].place}'::pg_lsn as there`,
    )
    return replayed.rows[0].there === true
  })
}
