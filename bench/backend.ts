/** A connection to Postgres whose backend is under measurement: its own CPU, and the WAL of the whole server. */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { now } from './statistics.js'

export interface Cost {
  readonly cpuMs: number
  readonly ms: number
  readonly walBytes: number
}

export class Backend {
  readonly client: pg.PoolClient
  readonly #pool: pg.Pool
  readonly #pid: number

  private constructor(pool: pg.Pool, client: pg.PoolClient, pid: number) {
    this.#pool = pool
    this.client = client
    this.#pid = pid
  }

  static async connect(url: string): Promise<Backend> {
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    const client = await pool.connect()
    const { rows } = await client.query('select pg_backend_pid() as pid')
    return new Backend(pool, client, rows[0].pid)
  }

  async close(): Promise<void> {
    this.client.release()
    await this.#pool.end()
  }

  /** The cost of the work on this connection. The WAL is that of all connections. */
  async cost(work: () => Promise<unknown>): Promise<Cost> {
    const before = { wal: await this.#wal(), cpu: await this.#cpuMs(), at: now() }
    await work()
    const after = { at: now(), cpu: await this.#cpuMs(), wal: await this.#wal() }
    return {
      cpuMs: after.cpu - before.cpu,
      ms: (after.at - before.at) / 1e6,
      walBytes: after.wal - before.wal,
    }
  }

  /** A backend has one thread: its nanoseconds on a processor are the first value. Linux only. */
  async #cpuMs(): Promise<number> {
    return Number.parseInt(await readFile(`/proc/${this.#pid}/schedstat`, 'utf8'), 10) / 1e6
  }

  async #wal(): Promise<number> {
    const { rows } = await this.client.query(
      `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as bytes`,
    )
    return rows[0].bytes
  }
}
