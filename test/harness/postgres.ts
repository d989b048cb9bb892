/** A separate Postgres server for one test, on a loopback port, which the test can stop, start and freeze. */
import { chown, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openCluster } from '../../src/embedded-postgres/cluster.js'
import { findBinaries } from '../../src/embedded-postgres/postgres-binaries.js'
import { type PostgresProcess, runPostgres } from '../../src/embedded-postgres/postgres-process.js'
import { serverAccount } from '../../src/embedded-postgres/server-account.js'
import { freePort } from './port.js'
import { childrenOf, isGone } from './processes.js'
import { answers, temporaryFolder } from './server.js'
import type { Shortages } from './shortages.js'
import { until } from './until.js'

export interface OwnPostgres {
  /** It never changes, even when the server is restarted. */
  readonly url: string
  /** The folder of its files. */
  readonly cluster: string
  /** Resolves when it takes connections. */
  start(): Promise<void>
  /** A fast shutdown: connections are cut, the port refuses. Resolves when it has ended. */
  stop(): Promise<void>
  /** `kill -9` of the server's first process. Resolves when its other processes have noticed and ended too. Linux only. */
  kill(): Promise<void>
  /** Suspends all of its processes: connections stay open and nothing answers. Linux only. */
  freeze(): Promise<void>
  thaw(): void
  /** Turns a stopped server into a standby, which is read-only until `select pg_promote()`. */
  demote(): Promise<void>
}

/** For `t.test(name, { skip: withoutFreezing() }, …)`: false where a server can be frozen and killed, else the reason. */
export function withoutFreezing(): string | false {
  return process.platform !== 'linux' && 'finding all processes of a server needs /proc'
}

/**
 * Creates the server, with additional `settings`, and does not start it. It is removed when `t` ends.
 * @param original a stopped server whose files are copied.
 * @param pgBin the folder of its binaries. Default: that of the run.
 * @param shortages with which the server runs.
 */
export async function preparePostgres(
  t: Pick<Test, 'teardown'>,
  settings: Readonly<Record<string, string>> = {},
  original?: Pick<OwnPostgres, 'cluster'>,
  pgBin = process.env.PG_BIN,
  shortages?: Shortages,
): Promise<OwnPostgres> {
  const folder = await temporaryFolder()
  const account = await serverAccount(folder)
  const binaries = await findBinaries(pgBin, account)
  const place = join(folder, 'postgres')
  if (original) await cp(original.cluster, place, { recursive: true })
  const cluster = await openCluster({ place, binaries, account, durable: false })
  const sockets = join(folder, 'sockets')
  const program = (await shortages?.wrap(binaries.postgres)) ?? binaries.postgres
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const lines: string[] = []
  let server: PostgresProcess | undefined
  let frozen: number[] = []

  const stop = async () => {
    thaw()
    server?.stop()
    await server?.ended
    server = undefined
  }
  const firstProcess = async () =>
    Number.parseInt(await readFile(join(cluster, 'postmaster.pid'), 'utf8'), 10)
  const thaw = () => {
    for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT')
  }
  t.teardown(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    url,
    cluster,
    async start() {
      // The server removes the folder when it shuts down.
      await mkdir(sockets, { recursive: true })
      if (account.uid !== undefined) await chown(sockets, account.uid, account.gid)
      server = runPostgres({
        postgres: program,
        cluster,
        sockets,
        account,
        onLog: line => lines.push(line),
        settings: {
          listen_addresses: '127.0.0.1',
          port: `${port}`,
          fsync: 'off',
          max_connections: '100',
          ...settings,
        },
      })
      await until('Postgres takes connections', () => answers(url)).catch(cause => {
        throw new Error(`Postgres did not start:\n${lines.join('\n')}`, { cause })
      })
    },
    stop,
    async kill() {
      const pid = await firstProcess()
      const all = [pid, ...childrenOf(pid)]
      process.kill(pid, 'SIGKILL')
      await server?.ended
      server = undefined
      await until('all processes of the server have ended', () => all.every(isGone))
    },
    async freeze() {
      const pid = await firstProcess()
      // The parent first: it must not start processes while its children are being suspended.
      process.kill(pid, 'SIGSTOP')
      frozen = [pid]
      for (const child of childrenOf(pid)) {
        process.kill(child, 'SIGSTOP')
        frozen.push(child)
      }
    },
    thaw,
    async demote() {
      const signal = join(cluster, 'standby.signal')
      await writeFile(signal, '')
      if (account.uid !== undefined) await chown(signal, account.uid, account.gid)
    },
  }
}
