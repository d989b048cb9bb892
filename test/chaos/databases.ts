/**
 * The Postgres servers of a run: a primary and a standby that streams from it, each at a port of its own. They change places when the
 * standby is promoted: proxies then lead to the new primary, and the old one comes back as its standby.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { migrate } from '../../src/database/migrate.js'
import { type OwnPostgres, preparePostgres } from '../harness/postgres.js'
import { childrenOf } from '../harness/processes.js'
import { execute } from '../harness/server.js'
import { prepareShortages, type Shortages } from '../harness/shortages.js'
import { until } from '../harness/until.js'
import { renewStandby } from './base-backup.js'
import type { KeepLost } from './fault.js'
import { FaultyProxy } from './faulty-proxy.js'
import type { Scope } from './scope.js'

const PATIENCE_MS = 30_000
const SETTINGS = {
  max_connections: '100',
  // What a standby lacks while it is away or is copied anew.
  wal_keep_size: '1GB',
  max_wal_size: '512MB',
  autovacuum_naptime: '5s',
  // Else what removes rows that a statement on the standby may see cancels it, `pg_promote` too.
  max_standby_streaming_delay: '-1',
}

/** With a disk and a clock of its own. */
interface Server extends OwnPostgres {
  readonly shortages: Shortages
}

export class Databases {
  #primary: Server
  #standby: Server
  /** Those that lead to the primary. */
  readonly #addresses: FaultyProxy[] = []

  private constructor(
    primary: Server,
    standby: Server,
    /** Between the two servers. */
    readonly replication: FaultyProxy,
  ) {
    this.#primary = primary
    this.#standby = standby
  }

  static async start(scope: Scope): Promise<Databases> {
    const replication = await FaultyProxy.start(scope, 0)
    const primary_conninfo = `host=127.0.0.1 port=${replication.port} user=postgres sslmode=disable gssencmode=disable`
    const settings = { ...SETTINGS, primary_conninfo }
    const primary = await prepare(scope, settings)
    await primary.start()
    await migrate(primary.url)
    await primary.stop()
    const standby = await prepare(scope, settings, primary)
    await standby.demote()
    await primary.start()
    replication.target = portOf(primary)
    await standby.start()
    return new Databases(primary, standby, replication)
  }

  /** Of the primary of now. */
  get url(): string {
    return this.#primary.url
  }

  get port(): number {
    return portOf(this.#primary)
  }

  get standbyUrl(): string {
    return this.#standby.url
  }

  /** Of the primary: its disk and its clock. */
  get shortages(): Shortages {
    return this.#primary.shortages
  }

  /** The pid of the primary's parent process. */
  get pid(): number {
    return Number.parseInt(readFileSync(join(this.#primary.cluster, 'postmaster.pid'), 'utf8'), 10)
  }

  /** @param proxy is led to the primary from now on. */
  lead(proxy: FaultyProxy): void {
    proxy.target = this.port
    this.#addresses.push(proxy)
  }

  async start(): Promise<void> {
    await this.#primary.start()
  }

  async stop(): Promise<void> {
    await this.#primary.stop()
  }

  /** All of its processes at once, as when the power fails. */
  async kill(): Promise<void> {
    const parent = this.pid
    for (const pid of [parent, ...childrenOf(parent)]) process.kill(pid, 'SIGKILL')
    // Collects what is left of it.
    await this.#primary.stop()
  }

  async freeze(): Promise<void> {
    await this.#primary.freeze()
  }

  thaw(): void {
    this.#primary.thaw()
  }

  /** A statement at the primary, not through a proxy. */
  async execute(sql: string): Promise<pg.QueryResult> {
    return await execute(this.url, sql)
  }

  /** The standby takes the place of the primary, which ends in order first: then the standby has everything. */
  async promote(): Promise<void> {
    await this.inStep()
    await this.#cutOff()
    // At an orderly end a primary waits until its standby has everything.
    await this.#primary.stop()
    await execute(this.standbyUrl, 'select pg_promote()')
    this.#swap()
    await this.#standby.demote()
    await this.#standby.start()
  }

  /**
   * The standby takes the place of the primary and lacks what was committed last.
   * @param committed resolves when enough was committed that the standby does not have.
   */
  async loseTail(committed: () => Promise<void>, keepLost: KeepLost): Promise<void> {
    await this.inStep()
    this.replication.fail({ kind: 'refuse' })
    await committed()
    await this.#cutOff()
    // It first replays whatever it has received.
    await execute(this.standbyUrl, 'select pg_promote()')
    const keep = await keepLost(this.standbyUrl)
    await this.#replace(keep)
  }

  /**
   * The standby takes the place of the primary for all but one address, behind which the old primary can still be written for a while.
   * What is committed there is lost.
   * @param both resolves when that has lasted long enough.
   */
  async split(stays: FaultyProxy, both: () => Promise<void>, keepLost: KeepLost): Promise<void> {
    await this.inStep()
    this.replication.fail({ kind: 'refuse' })
    const others = this.#addresses.filter(proxy => proxy !== stays)
    for (const proxy of others) proxy.fail({ kind: 'refuse' })
    let keep: (old: string) => Promise<void>
    try {
      await execute(this.standbyUrl, 'select pg_promote()')
      keep = await keepLost(this.standbyUrl)
      for (const proxy of others) proxy.target = portOf(this.#standby)
    } finally {
      for (const proxy of others) proxy.heal()
    }
    await both()
    await this.#cutOff([stays])
    await this.#replace(keep)
  }

  /** Resolves when the standby has replayed all that is committed now. */
  async inStep(): Promise<void> {
    const { rows } = await this.execute('select pg_current_wal_lsn()::text as place')
    const sql = `select pg_last_wal_replay_lsn() >= '${rows[0].place}'::pg_lsn as there`
    const there = async () => (await execute(this.standbyUrl, sql)).rows[0].there === true
    await until('the standby is in step', there, PATIENCE_MS)
  }

  /** The promoted standby becomes the primary, and the old one its standby, by a copy. */
  async #replace(keep: (old: string) => Promise<void>): Promise<void> {
    await keep(this.url)
    await this.#primary.stop()
    this.#swap()
    this.replication.heal()
    await renewStandby(this.#primary, this.#standby)
  }

  /** No client has a connection to the primary any more, and none gets one. */
  async #cutOff(addresses = this.#addresses): Promise<void> {
    for (const proxy of addresses) proxy.fail({ kind: 'refuse' })
    await until('no client is left at the old primary', async () => {
      const { rows } = await this.execute(
        `select count(pg_terminate_backend(pid)) as clients from pg_stat_activity
          where backend_type = 'client backend' and pid <> pg_backend_pid()`,
      )
      return Number(rows[0].clients) === 0
    })
  }

  #swap(): void {
    const old = this.#primary
    this.#primary = this.#standby
    this.#standby = old
    this.replication.target = this.port
    for (const proxy of this.#addresses) {
      proxy.target = this.port
      proxy.heal()
    }
  }
}

async function prepare(
  scope: Scope,
  settings: Readonly<Record<string, string>>,
  original?: OwnPostgres,
): Promise<Server> {
  const shortages = await prepareShortages(scope)
  return {
    ...(await preparePostgres(scope, settings, original, undefined, shortages)),
    shortages,
  }
}

function portOf({ url }: OwnPostgres): number {
  return Number(new URL(url).port)
}
