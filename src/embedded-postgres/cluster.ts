/**
 * The files of the embedded Postgres: `<data folder>/postgres`, created by initdb at the first start.
 *
 * initdb works in a draft directory beside it, which is then renamed into place. So an interrupted start leaves no
 * half-made cluster, and if two processes start at once, one wins and both use the winner's cluster.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { becomesFree } from './cluster-lock.js'
import type { Binaries } from './postgres-binaries.js'
import { type Account, canEnter, isRoot, reachableFolder } from './server-account.js'

const run = promisify(execFile)

const DRAFT = 'postgres-draft-'

export interface ClusterOptions {
  /** The path of the cluster, which may not exist yet. */
  readonly place: string
  readonly binaries: Binaries
  readonly account: Account
  /** Whether initdb waits until its files are on disk; a temporary cluster saves the time. */
  readonly durable: boolean
}

/**
 * Creates the cluster unless it exists.
 * @returns its path, after symbolic links.
 * @throws if another process uses it, or another major version or another user created it.
 */
export async function openCluster(options: ClusterOptions): Promise<string> {
  const { place, binaries, account } = options
  await mkdir(dirname(place), { recursive: true })
  if (!existsSync(place)) await createCluster(options)
  const cluster = await realpath(place)
  await claim(cluster, account)
  await requireVersion(cluster, binaries)
  if (!(await becomesFree(cluster))) throw inUse(place)
  return cluster
}

/**
 * Removes the drafts of interrupted starts. Only the holder of the cluster calls this: nobody else needs a draft
 * then. A draft that a slower start is still writing to may resist; its own process removes it, or else the next
 * start.
 */
export async function removeDrafts(place: string): Promise<void> {
  const folder = dirname(place)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(DRAFT)) continue
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)
  }
}

export function inUse(place: string): Error {
  return new Error(
    `The data folder ${dirname(place)} is in use by another process. Stop that one, or give this one another ` +
      'DATA_DIR. For several processes behind one port set WORKERS; for gateways on several machines run a ' +
      'Postgres server and set DATABASE_URL.',
  )
}

async function createCluster(options: ClusterOptions): Promise<void> {
  const { place, account } = options
  const reachable = await canEnter(dirname(place), account)
  const draft = await mkdtemp(
    reachable ? join(dirname(place), DRAFT) : join(await reachableFolder(), 'postgres-'),
  )
  try {
    if (account.uid !== undefined) await chown(draft, account.uid, account.gid)
    await initialise(draft, options)
    // If the account cannot enter the directory, a link leads to one that it can enter; deleting the link means
    // starting from scratch.
    await (reachable ? rename(draft, place) : symlink(draft, place))
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!existsSync(place)) throw error
  }
}

async function initialise(folder: string, { binaries, account, durable }: ClusterOptions): Promise<void> {
  const args = [
    `--pgdata=${folder}`,
    '--username=postgres',
    // Only the account itself and root can reach the socket: it is in a private directory.
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
  ]
  // Upper and lower case of every script; before version 17 only the system's own locales exist.
  if (binaries.major >= 17) args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  if (!durable) args.push('--no-sync')
  await run(binaries.initdb, args, { ...account, cwd: '/', env: { PATH: process.env.PATH, LC_ALL: 'C' } })
}

async function claim(cluster: string, account: Account): Promise<void> {
  const { uid } = await stat(cluster)
  if (account.uid !== undefined) {
    if (uid !== account.uid) await run('chown', ['-R', `${account.uid}:${account.gid}`, cluster])
  } else if (!isRoot && uid !== process.getuid?.()) {
    throw new Error(
      `The database in ${cluster} belongs to another user (uid ${uid}). Start Sluice as that user, or set another DATA_DIR.`,
    )
  }
}

async function requireVersion(cluster: string, binaries: Binaries): Promise<void> {
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined) {
    throw new Error(`${cluster} is not a Postgres data folder. Set another DATA_DIR, or move it away.`)
  }
  if (Number(version) !== binaries.major) {
    throw new Error(
      `The database in ${cluster} was made by PostgreSQL ${version.trim()}, and this is ${binaries.major}. ` +
        `Set PG_BIN to the binaries of ${version.trim()}, or set another DATA_DIR for a fresh database.`,
    )
  }
}
