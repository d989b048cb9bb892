/** A gateway as it was before a migration, built from the history of this repository. Takes minutes: for nights. */
import { execFile } from 'node:child_process'
import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { temporaryFolder } from './server.js'

const run = promisify(execFile)
const LONGEST_OUTPUT_BYTES = 16 * 1024 * 1024

/**
 * Removed when the test is over. Its dependencies are those of today.
 * @param migration the file name of a migration that it does not have, nor any later one.
 * @returns the program, as `startProcess` takes it.
 * @throws if the clone does not have the whole history.
 */
export async function buildBefore(t: Test, migration: string): Promise<string> {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const added = ['log', '--diff-filter=A', '--format=%H', '-1', '--', `migrations/${migration}`]
  const commit = (await run('git', added, { cwd: packageRoot })).stdout.trim()
  if (commit === '') throw new Error(`No commit adds ${migration}: this clone lacks the history.`)
  await run('sh', ['-c', 'git archive "$0^" | tar --extract --directory "$1"', commit, folder], {
    cwd: packageRoot,
  })
  await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
  await run(process.execPath, ['scripts/compile.mjs', 'product'], {
    cwd: folder,
    maxBuffer: LONGEST_OUTPUT_BYTES,
  })
  return join(folder, 'dist/server/main.js')
}
