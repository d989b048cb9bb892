/** The resources that a process uses, read from /proc, so only on Linux. */
import { readdir, readFile } from 'node:fs/promises'

/** Clock ticks a second in /proc; fixed on Linux. */
const TICKS = 100

/** Seconds of CPU, user and system, since the process started. */
export async function cpuSeconds(pid: number): Promise<number> {
  const [user = 0, system = 0] = await ticksOf(pid)
  return (user + system) / TICKS
}

/** The usage of the process, its children, and the children that it has waited for. */
export async function familyCpuSeconds(pid: number): Promise<number> {
  const own = await ticksOf(pid)
  const children = await Promise.all((await childrenOf(pid)).map(cpuSeconds))
  return own.reduce((sum, ticks) => sum + ticks, 0) / TICKS + children.reduce((sum, cpu) => sum + cpu, 0)
}

/** Bytes of resident memory of the process and its children. */
export async function familyResidentBytes(pid: number): Promise<number> {
  const all = await Promise.all([pid, ...(await childrenOf(pid))].map(residentBytes))
  return all.reduce((sum, bytes) => sum + bytes, 0)
}

export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = threads.map(thread => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8'))
  return (await Promise.all(lists)).flatMap(list => list.split(' ').filter(Boolean).map(Number))
}

/** User and system time of the process, and of its children that have ended. */
async function ticksOf(pid: number): Promise<number[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // Behind the command's name, which may hold anything: fields 14 to 17 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).map(Number)
}

/** Bytes of resident memory of the process. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024
}

/** The limit of open files and sockets of a process started from here. */
export async function openFilesLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  const hard = /Max open files\s+\S+\s+(\S+)/.exec(limits)?.[1]
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}
