/**
 * A gateway as in production: server/main.ts in a separate process with a separate environment. It ends with the test that
 * started it, and with the process of the test, even if that is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { testEnvironment } from './gateway.js'
import { within } from './patience.js'
import { freePort } from './port.js'

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))
/** Two gateways at once on a machine that does twenty other things. */
const PATIENCE_MS = 60_000
/** The time to stop: a second more than the gateway's own deadline. */
const STOP_PATIENCE_MS = 31_000

/** The channel to the parent closes when the parent ends, also by SIGKILL. */
const LEAVE_WITH_PARENT = `data:text/javascript,${encodeURIComponent(
  `process.on('disconnect', () => process.exit(1)); process.channel.unref()`,
)}`

export interface Program {
  readonly pid: number
  /** Everything that it has written so far, on both outputs. */
  output(): string
  /** Resolves when the pattern is in the output; rejects when the program ends without. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  signal(signal: NodeJS.Signals): void
  /** Messages between it and this process. */
  readonly channel: ChildProcess
  /** Resolves when it has ended, with the exit code; null when a signal ended it. @param patienceMs how long that takes. */
  ended(patienceMs?: number): Promise<number | null>
}

export interface ProgramOptions {
  readonly args?: readonly string[]
  /** Its whole environment, besides PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>
  /** The file that it runs. Default: that of `sluice`. */
  readonly program?: string | undefined
  /** Its limit of file descriptors, set by prlimit, Linux only. Default: the limit of this process. */
  readonly descriptors?: number | undefined
  /** A command that runs it, with its arguments. Default: none. */
  readonly through?: readonly string[]
  /** Where its standard output goes, instead of into `output`. */
  readonly stdout?: number
  /** Whether its standard input is `channel.stdin`; default: none. */
  readonly isFed?: boolean
}

/** Starts the program and does not wait for anything. */
export function startProgram(
  t: Pick<Test, 'teardown'>,
  {
    args = [],
    env = {},
    program: file = MAIN,
    descriptors,
    through = [],
    stdout,
    isFed,
  }: ProgramOptions = {},
): Program {
  const { PATH = '', HOME = '' } = process.env
  const command = [process.execPath, '--import', LEAVE_WITH_PARENT, file, ...args]
  const limited = descriptors === undefined ? [] : ['prlimit', `--nofile=${descriptors}`, '--']
  const [program = '', ...rest] = [...through, ...limited, ...command]
  const child = spawn(program, rest, {
    cwd: packageRoot,
    env: { PATH, HOME, ...env },
    stdio: [isFed ? 'pipe' : 'ignore', stdout ?? 'pipe', 'pipe', 'ipc'],
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', text => (output += text))
  child.stderr?.setEncoding('utf8').on('data', text => (output += text))
  return {
    pid: child.pid ?? 0,
    output: () => output,
    until: pattern => untilOutput(child, pattern, () => output),
    signal: signal => child.kill(signal),
    channel: child,
    async ended(patienceMs = STOP_PATIENCE_MS) {
      await within(patienceMs, exited, () => `The program did not end:\n${output}`)
      return child.exitCode
    },
  }
}

export interface GatewayProcess extends Program {
  readonly url: string
  readonly port: number
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>
}

export interface ProcessOptions extends ProgramOptions {
  /** Undefined: the embedded Postgres; then `env` names a DATA_DIR of the test. */
  readonly databaseUrl?: string
  /** Default: a free one. For a restart, the port of the process before. */
  readonly port?: number
}

/** Starts a gateway and resolves when it takes requests. */
export async function startProcess(
  t: Pick<Test, 'teardown'>,
  options: ProcessOptions = {},
): Promise<GatewayProcess> {
  const port = options.port ?? (await freePort())
  const env = {
    ...testEnvironment(options.databaseUrl ?? ''),
    LOG_LEVEL: 'warn',
    PORT: `${port}`,
    ...options.env,
  }
  const program = startProgram(t, { ...options, env })
  await program.until(/^Sluice listens on http/m)
  return {
    ...program,
    url: `http://127.0.0.1:${port}`,
    port,
    stop() {
      program.signal('SIGTERM')
      return program.ended()
    },
    async kill() {
      program.signal('SIGKILL')
      await program.ended()
    },
  }
}

async function untilOutput(
  child: ChildProcess,
  pattern: RegExp,
  output: () => string,
): Promise<RegExpExecArray> {
  const found = new Promise<RegExpExecArray>((resolve, reject) => {
    const look = () => {
      const match = pattern.exec(output())
      if (match) resolve(match)
      return match !== null
    }
    if (look()) return
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', look)
    // `close`, not `exit`: by then its last output has arrived.
    const ended = () => look() || reject(new Error(`The program ended without ${pattern}:\n${output()}`))
    if (child.exitCode === null && child.signalCode === null) child.once('close', ended)
    else ended()
  })
  return await within(PATIENCE_MS, found, () => `${pattern} was not written:\n${output()}`)
}
