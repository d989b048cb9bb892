/**
 * The account that the embedded Postgres runs as. Postgres refuses to run as root, so a root process gives it an
 * unprivileged account, and has to check what that account can reach: a checkout below a 0700 directory is closed to
 * it.
 */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** In /etc/passwd of nearly every system, which initdb requires. The first existing one is used. */
const UNPRIVILEGED = ['postgres', '_postgres', 'nobody']

/** User and group for `spawn`; empty if the process's own account is suitable. */
export type Account = { readonly uid: number; readonly gid: number } | Record<string, never>

export const isRoot = process.getuid?.() === 0

/**
 * @param cluster the path of the database's files, which may not exist yet; an account that already owns them is
 *   kept.
 * @throws if this is root and the system has no unprivileged account.
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

/**
 * Whether the account may enter the directory. This is tried, not computed, because of ACLs and other security
 * modules.
 */
export async function canEnter(folder: string, account: Account): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...account, cwd: '/' })
    return true
  } catch {
    return false
  }
}

/** A directory that every account may enter, for files that a root process cannot keep in a closed checkout. */
export async function reachableFolder(): Promise<string> {
  const folder = '/var/lib/sluice'
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
  return folder
}
