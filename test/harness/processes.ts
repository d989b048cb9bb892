/** The state of processes, from the system. Linux and macOS. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Whether it has ended. A zombie, whose parent has not yet collected its exit code, has ended. */
export function isGone(pid: number): boolean {
  const state = ps(pid, 'stat')
  return state === '' || state.startsWith('Z')
}

/** Memory that a process holds, in MiB. */
export function residentMiB(pid: number): number {
  return Number(ps(pid, 'rss')) / 1024
}

/** The processes that this one has started. Linux only, like the machines of the suite. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(/\s+/).filter(Boolean).map(Number)
}

function ps(pid: number, column: string): string {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', `${pid}`], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}
