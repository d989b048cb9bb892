/** The state of processes, from the system. Linux and macOS. */
import { execFileSync } from 'node:child_process'

/** Whether it has ended. A zombie, whose parent has not yet collected its exit code, has ended. */
export function isGone(pid: number): boolean {
  const state = ps(pid, 'stat')
  return state === '' || state.startsWith('Z')
}

/** Memory that a process holds, in MiB. */
export function residentMiB(pid: number): number {
  return Number(ps(pid, 'rss')) / 1024
}

function ps(pid: number, column: string): string {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', `${pid}`], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}
