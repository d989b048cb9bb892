/**
 * The holder of a cluster: the live server that postmaster.pid names. The file of a killed server names a process
 * that is gone, or whose number another program has by now; neither may prevent the database from starting.
 */
import { readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { elapsed } from '../process/deadline.js'

/** The server of a killed process needs a moment to notice; after that the cluster is really taken. */
const RELEASE_MS = 2_000
/** A server that writes its last checkpoint gets longer. */
const SHUTDOWN_MS = 30_000
const LOOK_AGAIN_MS = 20

/** Lines of postmaster.pid (PostgreSQL source, src/include/utils/pidfile.h). */
const PID_LINE = 0
const STATUS_LINE = 7

interface Holder {
  readonly pid: number
  readonly stopping: boolean
}

/** The process id of the server that holds the cluster, else undefined. Removes an abandoned lock file. */
export async function holderOf(cluster: string): Promise<number | undefined> {
  return (await readHolder(cluster))?.pid
}

/** Whether the cluster became free within the time that a server needs to stop. */
export async function becomesFree(cluster: string): Promise<boolean> {
  const started = performance.now()
  for (;;) {
    const holder = await readHolder(cluster)
    if (!holder) return true
    if (performance.now() - started > (holder.stopping ? SHUTDOWN_MS : RELEASE_MS)) return false
    await elapsed(LOOK_AGAIN_MS)
  }
}

async function readHolder(cluster: string): Promise<Holder | undefined> {
  const file = join(cluster, 'postmaster.pid')
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[PID_LINE])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  if (!isAlive(pid)) return undefined
  if (await isAnotherProgram(pid)) {
    await rm(file, { force: true })
    return undefined
  }
  return { pid, stopping: lines[STATUS_LINE]?.trim() === 'stopping' }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Process numbers are reused, in a restarted container within seconds, and Postgres would treat any process of its
 * own account as the holder. A dead process that nobody has reaped shows an empty command line.
 */
async function isAnotherProgram(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return false
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
  return commandLine !== undefined && basename(commandLine.split('\0')[0] ?? '') !== 'postgres'
}
