/**
 * The account that the embedded Postgres runs as. Postgres refuses to run as root, so a root process lends it an
 * unprivileged account, and has to ask what that account can reach: a checkout below a 0700 folder is closed to it.
 */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Present in /etc/passwd of nearly every system; initdb wants an account that is. The first one found is taken. */
const UNPRIVILEGED = ['postgres', '_postgres', 'nobody']

/** User and group for `spawn`; empty where the process's own account will do. */
export type Account = { readonly uid: number; readonly gid: number } | Record<string, never>

export const isRoot = process.getuid?.() === 0

/**
 * @param cluster where the database's files are or will be; an account that owns them already is kept.
 * @throws when this is root and the system has no unprivileged account.
 */
export async function serverAccount(cluster: string): Promise<Account> {
  if (!isRoot) return {}
  const owner = await stat(cluster).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'))
  for (const name of UNPRIVILEGED) {
    const [, , uid, gid] = lines.find(fields => fields[0] === name) ?? []
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error(
    `Postgres does not run as root, and none of the accounts ${UNPRIVILEGED.join(', ')} exists. ` +
      'Start Sluice as another user, or set DATABASE_URL to a server of yours.',
  )
}

/** Whether the account may enter the folder. Tried, not computed: there are ACLs and other security modules. */
export async function canEnter(folder: string, account: Account): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...account, cwd: '/' })
    return true
  } catch {
    return false
  }
}

/** A folder that every account may enter, for what a root process cannot keep in a closed checkout. */
export async function reachableFolder(): Promise<string> {
  const folder = '/var/lib/sluice'
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
  return folder
}
