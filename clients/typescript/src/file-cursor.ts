/**
 * Cursors in a file, for programs on Node, Deno and Bun: a JSON object of ids by key, readable only by its owner. A save writes a new
 * file beside it, flushes that to the disk, and renames it, so that after a crash the file holds either the previous ids or the new
 * ones. Use a file in one process at a time.
 */
import { open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CursorStores } from './cursor-store.js'

const MODE = 0o600

/**
 * @param path of the file; its folder must exist.
 * @returns stores that reject if the file cannot be read or written, or holds something else.
 */
export function fileCursor(path: string): CursorStores {
  let known: Promise<ReadonlyMap<string, string>> | undefined
  /** The last save of any key: the file is replaced as a whole. */
  let saves: Promise<void> = Promise.resolve()

  const read = () => {
    known ??= readIds(path).catch(error => {
      known = undefined
      throw error
    })
    return known
  }
  const save = async (key: string, id: string) => {
    const ids = new Map(await read()).set(key, id)
    await replace(path, `${JSON.stringify(Object.fromEntries(ids), undefined, 2)}\n`)
    known = Promise.resolve(ids)
  }
  return key => ({
    load: async () => (await read()).get(key),
    save(id) {
      const saved = saves.then(() => save(key, id))
      saves = saved.catch(() => {})
      return saved
    },
  })
}

async function readIds(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path, 'utf8').catch(error => {
    if (isCode(error, 'ENOENT')) return '{}'
    throw error
  })
  const ids = parse(text)
  if (!ids)
    throw new Error(
      `${path} holds no cursors. Name another file, or remove this one to start without a cursor.`,
    )
  return ids
}

function parse(text: string): ReadonlyMap<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const entries = Object.entries(value)
    return entries.every(([, id]) => typeof id === 'string') ? new Map(entries) : undefined
  } catch {
    return undefined
  }
}

async function replace(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${process.pid}.tmp`
  try {
    const file = await open(unfinished, 'w', MODE)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await unlink(unfinished).catch(() => {})
    throw error
  }
  await flushFolder(dirname(path))
}

/** Makes the rename durable. Windows cannot open a folder. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
