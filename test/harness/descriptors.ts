/** How many file descriptors a process has and may have, seen and changed from outside. Linux only. */
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { findProgram } from './program.js'

/** For `t.test(name, { skip: withoutPrlimit() }, …)`: false where this works, else the reason. */
export function withoutPrlimit(): string | false {
  const missing = process.platform !== 'linux' || findProgram(['prlimit']) === undefined
  return missing && 'prlimit is not installed (util-linux), or this is not Linux'
}

export async function openDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}

/** Sets the soft limit; the hard one stays, so that it can be raised again. */
export async function limitDescriptors(pid: number, limit: number): Promise<void> {
  await promisify(execFile)('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`])
}
