/** The embedded Postgres of a measured server, with fsync on; it is discarded afterwards. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'
import { familyCpuSeconds } from './process-usage.js'

export interface BenchDatabaseOptions {
  /** Settings of Postgres. */
  readonly settings?: Readonly<Record<string, string>>
  /** Receives each line that Postgres logs. */
  readonly onLog?: (line: string) => void
}

export interface BenchDatabase {
  readonly url: string
  readonly dataDir: string
  /** Of the postmaster and its children. */
  cpuSeconds(): Promise<number>
  close(): Promise<void>
}

export async function startBenchDatabase({
  settings = {},
  onLog,
}: BenchDatabaseOptions = {}): Promise<BenchDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  // The account of Postgres has to enter it; otherwise the data would be elsewhere, behind a link, and stay there.
  await chmod(dataDir, 0o755)
  const database = await startEmbedded({ dataDir, settings, ...(onLog && { onLog }) })
  const postmaster = await postmasterOf(database.url)
  return {
    url: database.url,
    dataDir,
    cpuSeconds: () => familyCpuSeconds(postmaster),
    async close() {
      await database.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function postmasterOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query(
      `select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::int as pid`,
    )
    return rows[0].pid
  } finally {
    await client.end()
  }
}
