/** The checksums of the migrations, in the format of `sha256sum`: a migration that was released never changes again. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The file beside the migrations that lists them. `cd migrations && sha256sum -c checksums.sha256` checks it by hand. */
export const CHECKSUMS = 'checksums.sha256'

/** The present checksum of each migration in the folder and its subfolders, by its path there, in order. */
export async function checksumsOf(folder: string): Promise<Map<string, string>> {
  const files = await readdir(folder, { recursive: true })
  const names = files.filter(file => /(^|\/)\d{4}_\w+\.sql$/.test(file)).sort()
  const sums = names.map(async name => {
    const content = await readFile(join(folder, name))
    return [name, createHash('sha256').update(content).digest('hex')] as const
  })
  return new Map(await Promise.all(sums))
}

/** The checksums of the list, by path. Empty if there is no list. */
export async function listedChecksums(folder: string): Promise<Map<string, string>> {
  const text = await readFile(join(folder, CHECKSUMS), 'utf8').catch(() => '')
  const lines = text.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)
  return new Map(Array.from(lines, ([, sum = '', name = '']) => [name, sum]))
}

export function listText(sums: ReadonlyMap<string, string>): string {
  return Array.from(sums, ([name, sum]) => `${sum}  ${name}\n`).join('')
}
