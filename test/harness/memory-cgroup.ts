/**
 * A control group of the kernel with a limit of memory, as a container has one. To make one takes rights: those of root, or a folder
 * that was delegated to us. It lies inside the group of this process, so that the limits of that group hold on.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

const ROOT = '/sys/fs/cgroup'

/** Names of files in version 1 and 2 of control groups. */
const VERSIONS = {
  1: {
    root: join(ROOT, 'memory'),
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
    limit: 'memory.limit_in_bytes',
    kills: 'memory.oom_control',
  },
  2: { root: ROOT, line: /^0::(.*)$/m, limit: 'memory.max', kills: 'memory.events' },
} as const

export interface MemoryCgroup {
  /** A command that runs the command that follows it inside. */
  readonly through: readonly string[]
  /** Processes that the kernel has killed here, because they needed more memory than the limit. */
  kills(): number
}

/** Removed when the test is over, by when all that runs inside must have ended. @returns undefined where none can be made. */
export function makeMemoryCgroup(t: Test, bytes: number): MemoryCgroup | undefined {
  const own = readOwn()
  for (const version of [1, 2] as const) {
    const { root, line, limit, kills } = VERSIONS[version]
    const inside = line.exec(own)?.[1]
    if (inside === undefined) continue
    const folder = join(root, inside, `sluice-test-${process.pid}`)
    try {
      mkdirSync(folder)
    } catch {
      continue
    }
    t.teardown(() => rmdirSync(folder))
    try {
      writeFileSync(join(folder, limit), `${bytes}`)
    } catch {
      // The controller of memory is not there for us.
      continue
    }
    return {
      through: ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(folder, 'cgroup.procs')],
      kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(folder, kills), 'utf8'))?.[1]),
    }
  }
  return undefined
}

function readOwn(): string {
  try {
    return readFileSync('/proc/self/cgroup', 'utf8')
  } catch {
    return ''
  }
}
