/** A file that exists while a process changes another one, so that processes change it one after another. */
import { open, rm, stat } from 'node:fs/promises'
import { elapsed } from '../../../src/process/deadline.js'

/** A change takes milliseconds, so a lock of this age belongs to a process that was killed. */
const ABANDONED_MS = 5_000
const PAUSE_MS = 20

/** @returns what `work` resolves to. @throws what `work` throws, or the file system. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await taken(path))) {
    await removeAbandoned(path)
    await elapsed(PAUSE_MS)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function taken(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

async function removeAbandoned(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true, recursive: true })
}
