/**
 * A Postgres server of our own, for users without one: real binaries, a data directory, a private Unix socket, no
 * port.
 *
 * Its states: `starting` (the first start; a failure is thrown) → `serving` → `down` (the server ended by itself; it
 * is restarted at the same address, with growing pauses) → `serving` … → `closed`. Only close() leads to `closed`,
 * from any state. The server never outlives this process (postgres-process.ts).
 */
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { Backoff } from '../process/backoff.js'
import { elapsed } from '../process/deadline.js'
import { inUse, openCluster, removeDrafts } from './cluster.js'
import { holderOf } from './cluster-lock.js'
import { findBinaries } from './postgres-binaries.js'
import { type PostgresProcess, runPostgres } from './postgres-process.js'
import { type Account, canEnter, serverAccount } from './server-account.js'

/** Recovery after a crash may take a while; a server that needs longer than this is stuck. */
const START_TIMEOUT_MS = 120_000
const LOOK_AGAIN_MS = 10
const RESTART_MS = { minMs: 100, maxMs: 5_000, jitter: 0 }
/** A fast shutdown that takes longer is aborted; the next start recovers. */
const SHUTDOWN_TIMEOUT_MS = 20_000
/** A socket's path has at most 104 bytes on macOS and 108 on Linux; `/sluice-XXXXXX/.s.PGSQL.5432` takes 28 of them. */
const MAX_SOCKET_PARENT_BYTES = 75
const CONNECT_TIMEOUT_MS = 1_000
const LOG_LINES_KEPT = 20

/** pg reads from PGPORT, PGSSLMODE, PGSSLNEGOTIATION and PGOPTIONS whatever a URL leaves open. */
const WHOLE_URL = 'port=5432&sslmode=disable&sslnegotiation=postgres&options=-c%20jit%3Doff'

const SETTINGS = {
  // No TCP: no port collides, and no other user can connect.
  listen_addresses: '',
  unix_socket_permissions: '0700',
  // Enough for several gateways' pools and a test suite; an unused slot costs little.
  max_connections: '200',
  // Enough for the hot end of a log and its index; the system caches the rest.
  shared_buffers: '64MB',
  // Nobody replicates from this server, so it writes less.
  wal_level: 'minimal',
  max_wal_senders: '0',
  // Bounds the size of pg_wal in a project's directory.
  max_wal_size: '256MB',
  // Reads are short index ranges; workers would also need more /dev/shm than the 64 MB of a container.
  max_parallel_workers_per_gather: '0',
  TimeZone: 'UTC',
  // So that sluice.committed_at knows when an event was committed.
  track_commit_timestamp: 'on',
  // The reader of the lines adds the time.
  log_line_prefix: '',
} as const

export interface EmbeddedOptions {
  /** Directory of the database, created if missing. Holds `postgres/` and, while the server runs, `url`. */
  readonly dataDir: string
  /** Folder with `postgres` and `initdb`. Default: the npm package of this platform. */
  readonly pgBin?: string | undefined
  /** Server settings in addition to ours, such as `{ fsync: 'off' }` for a temporary database. */
  readonly settings?: Readonly<Record<string, string>>
  /** Receives each line that the server logs. Default: dropped. */
  readonly onLog?: (line: string) => void
}

export interface Embedded {
  /** Stays the same when the server restarts. */
  readonly url: string
  /** Shuts the server down and waits until it has ended. A second call has no effect. */
  close(): Promise<void>
}

/**
 * Starts the server and waits until it accepts connections.
 * @throws with the remedy, if there are no binaries for this platform, another process uses the data directory, or
 *   another major version created it; or with the server's log, if it does not start.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { dataDir, pgBin, settings = {}, onLog = () => undefined } = options
  const place = join(resolve(dataDir), 'postgres')
  const account = await serverAccount(place)
  const binaries = await findBinaries(pgBin, account)
  const cluster = await openCluster({ place, binaries, account, durable: settings.fsync !== 'off' })
  const sockets = await socketFolder(account)
  const url = `postgres://postgres@/postgres?${WHOLE_URL}&host=${encodeURIComponent(sockets)}`
  const urlFile = join(resolve(dataDir), 'url')

  const lastLines: string[] = []
  const note = (line: string) => {
    lastLines.push(line)
    if (lastLines.length > LOG_LINES_KEPT) lastLines.shift()
    onLog(line)
  }
  const run = () =>
    runPostgres({
      postgres: binaries.postgres,
      cluster,
      sockets,
      account,
      settings: { ...SETTINGS, ...settings },
      onLog: note,
    })

  const first = run()
  if (!(await serves(url, first, note))) {
    await first.ended
    await rm(sockets, { recursive: true, force: true })
    if ((await holderOf(cluster)) !== undefined) throw inUse(place)
    throw new Error(`The embedded Postgres did not start:\n${lastLines.join('\n')}`)
  }
  await removeDrafts(place)
  await writeFile(urlFile, `${url}\n`, { mode: 0o600 })

  const closing = new AbortController()
  let current = first
  const kept = keepServing()
  let closed: Promise<void> | undefined
  return { url, close: () => (closed ??= shutDown()) }

  async function keepServing(): Promise<void> {
    const backoff = new Backoff(RESTART_MS)
    for (;;) {
      await current.ended
      if (closing.signal.aborted) return
      const pauseMs = backoff.next()
      onLog(`The embedded Postgres ended by itself; restarting it in ${pauseMs} ms.`)
      if (!(await elapsed(pauseMs, closing.signal))) return
      current = run()
      if (await serves(url, current, note)) backoff.reset()
    }
  }

  async function shutDown(): Promise<void> {
    closing.abort()
    await rm(urlFile, { force: true })
    current.stop()
    const impatience = setTimeout(() => void cutOff(cluster).catch(() => undefined), SHUTDOWN_TIMEOUT_MS)
    await kept
    clearTimeout(impatience)
    await rm(sockets, { recursive: true, force: true })
  }
}

/** Short, private to the account, and constant for the life of this process: it is part of the URL. */
async function socketFolder(account: Account): Promise<string> {
  for (const parent of [tmpdir(), '/tmp']) {
    if (Buffer.byteLength(parent) > MAX_SOCKET_PARENT_BYTES || !(await canEnter(parent, account))) continue
    const folder = await mkdtemp(join(parent, 'sluice-'))
    if (account.uid !== undefined) await chown(folder, account.uid, account.gid)
    return folder
  }
  throw new Error('There is no folder for the socket of the embedded Postgres. Set TMPDIR to a short path.')
}

/** Waits until the server accepts connections; false if it ended, or was stopped because it took too long. */
async function serves(url: string, server: PostgresProcess, onLog: (line: string) => void): Promise<boolean> {
  let ended = false
  void server.ended.then(() => {
    ended = true
  })
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!ended) {
    const refusal = await refusalOf(url)
    if (refusal === undefined) return true
    if (performance.now() > deadline) {
      onLog(`The embedded Postgres takes no connections: ${refusal}`)
      server.stop()
      await server.ended
    }
    await elapsed(LOOK_AGAIN_MS)
  }
  return false
}

/** @returns the reason why it does not, if it does not. */
async function refusalOf(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.end()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Ends the server without a last checkpoint (SIGQUIT is the immediate shutdown). */
async function cutOff(cluster: string): Promise<void> {
  const pid = await holderOf(cluster)
  if (pid !== undefined) process.kill(pid, 'SIGQUIT')
}
