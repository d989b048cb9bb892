/**
 * One test file, in a process of its own, and its TAP as a subtest of the whole run.
 *
 * The file enforces its own deadline (TAP_TIMEOUT) and names the test that hangs. If it does not, it is killed from here,
 * with every process that it started.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { packageRoot } from '../src/process/package-root.js'
import { afterPatience, patient } from '../test/harness/patience.js'

/** For one file, on a quiet machine. Only a safety net: each wait in a test has a deadline that names what it waited for. */
const FILE_MS = 300_000
const NIGHTLY_FILE_MS = 4 * 3_600_000
/** For a file at its deadline to report which test hangs. */
const LAST_WORDS_MS = 30_000
const PLAN = /^1\.\.\d+/

export interface TestFileOptions {
  /** In addition to the environment of this process. */
  readonly env: Readonly<Record<string, string>>
  /** Ends the file at once, with everything it started. */
  readonly stopped: AbortSignal
}

/** @param file the compiled file, as a path from the package. @returns lines of TAP; the last result is that of the file. */
export async function runTestFile(file: string, { env, stopped }: TestFileOptions): Promise<string[]> {
  const begun = performance.now()
  const fileMs = env.SLUICE_NIGHTLY === '1' ? NIGHTLY_FILE_MS : FILE_MS
  // A separate process group: Ctrl-C reaches only this process, which ends the group.
  const child = spawn(process.execPath, [file], {
    cwd: packageRoot,
    env: { ...process.env, TAP_TIMEOUT: `${Math.ceil(patient(fileMs) / 1_000)}`, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let isLate = false
  const end = () => endGroup(child)
  const callOff = afterPatience(fileMs + LAST_WORDS_MS, () => {
    isLate = true
    end()
  })
  stopped.addEventListener('abort', end, { once: true })
  // A process that the file left behind would keep the output open.
  child.once('exit', end)
  const exit = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  const [exitCode, signal] = await exit
  callOff()
  stopped.removeEventListener('abort', end)

  const isWhole = lines.some(line => PLAN.test(line))
  const ok = exitCode === 0 && isWhole
  const time = `# time=${(performance.now() - begun).toFixed(1)}ms`
  return [
    `# Subtest: ${file}`,
    ...lines.map(line => `    ${line}`),
    `${ok ? 'ok' : 'not ok'} 1 - ${isLate ? 'timeout!' : file} ${time}`,
    ...(ok ? [] : ['  ---', `  ${signal ? `signal: ${signal}` : `exitCode: ${exitCode}`}`]),
    ...(ok || isWhole ? [] : ['  plan: none, so the file ended before its tests did']),
    ...(ok ? [] : ['  ...']),
  ]
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing of it is left.
  }
}
