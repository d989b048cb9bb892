/**
 * A Postgres server that a bench stops, kills, freezes and starts again, at an address of the loopback that stays; with fsync on.
 * Linux only: its processes are found in /proc.
 */
import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { openCluster } from '../src/embedded-postgres/cluster.js'
import { findBinaries } from '../src/embedded-postgres/postgres-binaries.js'
import { type PostgresProcess, runPostgres } from '../src/embedded-postgres/postgres-process.js'
import { serverAccount } from '../src/embedded-postgres/server-account.js'
import { freePort } from './free-port.js'
import { childrenOf } from './process-usage.js'

const LOOK_AGAIN_MS = 5
const START_DEADLINE_MS = 60_000

/** How it goes away: a fast shutdown, a crash, or all of its processes stand still. */
export type Outage = 'stopped' | 'killed' | 'frozen'

export class OwnPostgres {
  readonly url: string
  readonly #folder: string
  readonly #run: () => Promise<PostgresProcess>
  readonly #cluster: string
  #server: PostgresProcess | undefined
  #frozen: number[] = []

  private constructor(url: string, folder: string, cluster: string, run: () => Promise<PostgresProcess>) {
    this.url = url
    this.#folder = folder
    this.#cluster = cluster
    this.#run = run
  }

  /** Creates the server and starts it. */
  static async start(): Promise<OwnPostgres> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
    // The account of Postgres has to enter it.
    await chmod(folder, 0o755)
    const account = await serverAccount(folder)
    const binaries = await findBinaries(process.env.PG_BIN, account)
    const cluster = await openCluster({ place: join(folder, 'postgres'), binaries, account, durable: true })
    const sockets = join(folder, 'sockets')
    const port = `${await freePort()}`
    const run = async () => {
      // The server removes the folder when it shuts down.
      await mkdir(sockets, { recursive: true })
      if (account.uid !== undefined) await chown(sockets, account.uid, account.gid)
      const settings = { listen_addresses: '127.0.0.1', port, max_connections: '200' }
      return runPostgres({ postgres: binaries.postgres, cluster, sockets, account, settings, onLog() {} })
    }
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    const postgres = new OwnPostgres(url, folder, cluster, run)
    const { client } = await postgres.comesBack()
    await client.end()
    return postgres
  }

  async goesAway(how: Outage): Promise<void> {
    const postmaster = await this.#postmaster()
    if (how === 'frozen') {
      // The parent first: it must not start processes while its children are being suspended.
      for (const pid of [postmaster, ...(await childrenOf(postmaster))]) {
        process.kill(pid, 'SIGSTOP')
        this.#frozen.push(pid)
      }
      return
    }
    if (how === 'killed') process.kill(postmaster, 'SIGKILL')
    else this.#server?.stop()
    await this.#server?.ended
    this.#server = undefined
  }

  /** @returns a connection, as soon as the server accepts one, and the time of that in ns. */
  async comesBack(): Promise<{ client: pg.Client; at: number }> {
    for (const pid of this.#frozen.splice(0)) process.kill(pid, 'SIGCONT')
    this.#server ??= await this.#run()
    const late = performance.now() + START_DEADLINE_MS
    for (;;) {
      const client = new pg.Client({ connectionString: this.url })
      try {
        await client.connect()
        return { client, at: Number(process.hrtime.bigint()) }
      } catch (error) {
        await client.end().catch(() => undefined)
        if (performance.now() > late) throw error
        await pause(LOOK_AGAIN_MS)
      }
    }
  }

  async close(): Promise<void> {
    for (const pid of this.#frozen.splice(0)) process.kill(pid, 'SIGCONT')
    this.#server?.stop()
    await this.#server?.ended
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #postmaster(): Promise<number> {
    return Number.parseInt(await readFile(join(this.#cluster, 'postmaster.pid'), 'utf8'), 10)
  }
}
