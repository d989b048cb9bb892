/** Finds the database of this installation, for programs that use its database but never start one. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { readConfig } from '../src/config/config.js'

/**
 * `DATABASE_URL`, or the embedded Postgres of the gateway that runs on `DATA_DIR`, which stores its URL there.
 * @throws {Error} with the remedy, if there is neither; {ConfigError} if the configuration is invalid.
 */
export async function databaseAddress(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const config = readConfig({ DATABASE_URL: env.DATABASE_URL, DATA_DIR: env.DATA_DIR })
  if (config.DATABASE_URL !== undefined) return config.DATABASE_URL
  const dataDir = resolve(config.DATA_DIR)
  const url = await readFile(join(dataDir, 'url'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new Error(
      `No gateway with an embedded Postgres runs on ${dataDir}. Start it (npm start), or set DATABASE_URL.`,
    )
  })
  return url.trim()
}
