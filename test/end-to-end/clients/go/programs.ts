/** The client for Go as programs: its toolchain, its examples, and what they write. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'

export const goClient = join(packageRoot, 'clients/go')
const LEAST = 23

/** For `skip`: false if there is a toolchain that can build the client, else the reason. */
export function withoutGo(): string | false {
  const { stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  const [, minor = '0'] = /^go1\.(\d+)/.exec(stdout ?? '') ?? []
  if (Number(minor) < LEAST) return `Go 1.${LEAST} or later is not installed`
  return spawnSync('gcc', ['--version']).status !== 0 && 'gcc is not installed, which the race detector needs'
}

/** What a program of the toolchain writes. @throws with all of its output when it fails. */
export async function go(
  args: readonly string[],
  cwd = goClient,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const [program = 'go', ...rest] = args[0] === 'gofmt' ? args : ['go', ...args]
  try {
    const options = { cwd, env: { ...process.env, CGO_ENABLED: '1', ...env }, maxBuffer: 2 ** 24 }
    return (await promisify(execFile)(program, rest, options)).stdout
  } catch (error) {
    const { stdout, stderr } = Object(error)
    throw new Error(`${program} ${rest.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

/**
 * Builds a program with the race detector.
 * @param folder below clients/go.
 * @param into a folder of its own for each test file, since they run at the same time.
 * @returns its path.
 */
export async function build(folder: string, into = 'go-client'): Promise<string> {
  const built = join(packageRoot, '.build/clients', into)
  await mkdir(built, { recursive: true })
  const program = join(built, folder.replaceAll('/', '-'))
  const cwd = join(goClient, folder)
  await go(['vet', '.'], cwd)
  await go(['build', '-race', '-o', program, '.'], cwd)
  return program
}

export interface Running {
  /** The complete lines of its standard output so far. */
  lines(): readonly string[]
  /** Its standard error. */
  log(): string
  write(line: string): void
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>
  /** Closes its standard input. Resolves with the exit code. */
  finish(): Promise<number | null>
  ended(): boolean
}

/** Starts a program, which ends with the test at the latest. A race makes it fail. */
export function start(
  t: Test,
  program: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Running {
  const { PATH = '', HOME = '' } = process.env
  const child: ChildProcess = spawn(program, args, { env: { PATH, HOME, ...env }, stdio: 'pipe' })
  const closed = once(child, 'close')
  const output = { lines: [] as string[], rest: '', log: '' }
  child.stdin?.on('error', () => {})
  child.stdout?.setEncoding('utf8').on('data', text => {
    const [first = '', ...more] = text.split('\n')
    output.rest += first
    for (const line of more) {
      output.lines.push(output.rest)
      output.rest = line
    }
  })
  child.stderr?.setEncoding('utf8').on('data', text => (output.log += text))
  const kill = async () => {
    child.kill('SIGKILL')
    await closed
  }
  t.teardown(kill)
  return {
    lines: () => output.lines,
    log: () => output.log,
    write: line => child.stdin?.write(`${line}\n`),
    kill,
    async finish() {
      child.stdin?.end()
      await closed
      return child.exitCode
    },
    ended: () => child.exitCode !== null || child.signalCode !== null,
  }
}
