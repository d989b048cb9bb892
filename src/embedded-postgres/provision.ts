/** The database of a gateway: the configured one, or else an embedded one; it is migrated before it is returned. */
import { relative } from 'node:path'
import type { Config } from '../config/config.js'
import { type DatabaseFaultName, databaseFault } from '../database/database-fault.js'
import { migrate } from '../database/migrate.js'
import { Backoff } from '../process/backoff.js'
import { elapsed } from '../process/deadline.js'
import { startEmbedded } from './embedded-postgres.js'

/** The gateway waits for a database that is starting too; it reports one that does not exist. */
const PATIENCE_MS = 60_000
const RETRY_MS = { minMs: 250, maxMs: 2_000 }
/** The faults that disappear by themselves while servers start or fail over. */
const WAITING: Partial<Record<DatabaseFaultName, string>> = {
  away: 'The database cannot be reached yet; trying again.',
  'read-only': 'The database is read-only; trying again.',
  'out-of-resources': 'The database is out of a resource; trying again.',
}

export interface ProvidedDatabase {
  readonly url: string
  /** Its location, for a person. */
  readonly description: string
  close(): Promise<void>
}

/**
 * @param dataDir absolute path of the embedded server's directory.
 * @param onLog receives every line that the embedded server logs.
 * @throws the errors of `startEmbedded` and `migrate`; then nothing keeps running.
 */
export async function provideDatabase(
  config: Pick<Config, 'DATABASE_URL' | 'PG_BIN'>,
  dataDir: string,
  onLog: (line: string) => void,
): Promise<ProvidedDatabase> {
  const database = await find(config, dataDir, onLog)
  try {
    await migratePatiently(database.url)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

async function find(
  { DATABASE_URL, PG_BIN }: Pick<Config, 'DATABASE_URL' | 'PG_BIN'>,
  dataDir: string,
  onLog: (line: string) => void,
): Promise<ProvidedDatabase> {
  if (DATABASE_URL !== undefined) {
    return { url: DATABASE_URL, description: 'DATABASE_URL', close: async () => {} }
  }
  const { url, close } = await startEmbedded({ dataDir, pgBin: PG_BIN, onLog })
  return { url, description: `embedded Postgres in ${relative(process.cwd(), dataDir) || '.'}/`, close }
}

async function migratePatiently(url: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  const backoff = new Backoff(RETRY_MS)
  for (;;) {
    try {
      return await migrate(url)
    } catch (error) {
      const fault = databaseFault(error)?.name
      const waiting = fault && WAITING[fault]
      if (!waiting || Date.now() > deadline) throw error
      console.error(waiting)
      await elapsed(backoff.next())
    }
  }
}
