/**
 * Runs commands on this machine, by default with `/bin/sh -c`, each in its own process group, so that everything a command has started can
 * be ended with it.
 *
 *   running ── its shell exits ──▶ ending ── its outputs close, or the grace has passed ──▶ over: the group is killed
 *      └── aborted: SIGTERM to the group, SIGKILL after the grace ──┘
 *
 * The group also contains a watchdog: a shell that reads from a pipe whose other end only this process holds. When that end
 * closes, because the command is over or this process was killed, the watchdog kills the group. Until then, the system cannot
 * give the id of the group to other processes.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { Backoff } from '../process/backoff.js'
import { elapsed, withinDeadline } from '../process/deadline.js'
import { shortageIn } from '../process/shortage.js'
import type { Execution, Executor, Outcome, OutputStream } from './executor.js'

/** Milliseconds between SIGTERM and SIGKILL, and for which outputs may stay open after the shell has exited. */
const KILL_GRACE_MS = 5_000
/** A process that has left the group can hold an output open for ever, so the output is closed after this much silence. */
const SILENCE_MS = 1_000
/** A shortage of the machine has about half a minute to end. */
const SPAWN_ATTEMPTS = 30
const SPAWN_AGAIN_MS = { minMs: 500, maxMs: 1_500 }

/**
 * The arguments are the program to execute and its own. The watchdog must survive a SIGTERM to the group from its first moment on; the command runs with the
 * default signal handlers.
 */
const WITH_WATCHDOG = `
trap '' HUP INT TERM
{ read -r _; kill -KILL 0; } <&3 >/dev/null 2>&1 3<&- &
trap - HUP INT TERM
exec "$@" 3<&-
`

export interface LocalExecutorOptions {
  /** Milliseconds between SIGTERM and SIGKILL; default 5,000. */
  readonly graceMs?: number
  /** The program that runs a command, and its arguments; default: `/bin/sh -c` and the command. */
  readonly argumentsOf?: (command: string) => readonly string[]
}

export class LocalExecutor implements Executor {
  readonly #graceMs: number
  readonly #argumentsOf: (command: string) => readonly string[]

  constructor({ graceMs = KILL_GRACE_MS, argumentsOf = inShell }: LocalExecutorOptions = {}) {
    this.#graceMs = graceMs
    this.#argumentsOf = argumentsOf
  }

  async run(command: string, { cwd, env, variables, signal, onOutput }: Execution): Promise<Outcome> {
    const started = performance.now()
    const child = await start(this.#argumentsOf(command), { cwd, env: { ...env, ...variables }, signal })
    const exited = once(child, 'exit')
    child.on('error', () => undefined)
    const lifeline = child.stdio[3] as Writable
    lifeline.on('error', () => undefined)
    const outputs = [
      new Output('stdout', child.stdout, onOutput),
      new Output('stderr', child.stderr, onOutput),
    ]

    const over = new AbortController()
    const kill = () => void this.#kill(child.pid, over.signal)
    const release = () => {
      signal.removeEventListener('abort', kill)
      over.abort()
      lifeline.destroy()
    }
    signal.addEventListener('abort', kill)
    if (signal.aborted) kill()
    try {
      const [exitCode, endedBy] = (await exited) as [number | null, NodeJS.Signals | null]
      const durationMs = Math.round(performance.now() - started)
      await closedWithin(outputs, this.#graceMs)
      // From here on, the id of the group may belong to other processes.
      release()
      await Promise.all(outputs.map(output => output.drained()))
      return { exitCode, signal: endedBy, durationMs }
    } finally {
      release()
    }
  }

  async #kill(pid: number | undefined, over: AbortSignal): Promise<void> {
    signalGroup(pid, 'SIGTERM')
    if (await elapsed(this.#graceMs, over)) signalGroup(pid, 'SIGKILL')
  }
}

function inShell(command: string): string[] {
  return ['/bin/sh', '-c', command]
}

/**
 * Starts a program beside its watchdog. Retries while the machine is short of processes, descriptors or memory, since the command is not at fault.
 * @throws {Error} if the shell cannot be started for another reason, or the shortage lasts too long.
 */
async function start(
  program: readonly string[],
  { cwd, env, signal }: Pick<Execution, 'cwd' | 'env' | 'signal'>,
) {
  const backoff = new Backoff(SPAWN_AGAIN_MS)
  for (let attempt = 1; ; attempt += 1) {
    try {
      const child = spawn('/bin/sh', ['-c', WITH_WATCHDOG, 'sh', ...program], {
        cwd,
        env,
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
        detached: true,
      }) as ChildProcessByStdio<null, Readable, Readable>
      // Without a process id it did not start and has no outputs; the `error` event that follows gives the reason.
      if (child.pid === undefined) await once(child, 'spawn')
      return child
    } catch (error) {
      const short = shortageIn(error)
      const last = attempt === SPAWN_ATTEMPTS || signal.aborted
      if (short === undefined || last) throw cannotStart(cwd, short, error)
      await elapsed(backoff.next(), signal)
    }
  }
}

function cannotStart(cwd: string, short: string | undefined, cause: unknown): Error {
  const reason = cause instanceof Error && 'code' in cause ? cause.code : cause
  const why = short === undefined ? `${reason}` : `${reason}, this machine is short of ${short}`
  return new Error(`/bin/sh cannot be started in ${cwd}: ${why}`, { cause })
}

/** One output of a command, passed on at the speed of its consumer. */
class Output {
  readonly closed: Promise<unknown>
  #heardAt = performance.now()
  readonly #source: Readable

  constructor(stream: OutputStream, source: Readable, onOutput: Execution['onOutput']) {
    this.#source = source
    this.closed = new Promise(resolve => source.once('close', resolve))
    source.on('error', () => undefined)
    source.on('data', (chunk: Buffer) => {
      const room = onOutput(stream, chunk)
      if (!room) {
        this.#heardAt = performance.now()
        return
      }
      source.pause()
      void room.then(() => {
        this.#heardAt = performance.now()
        source.resume()
      })
    })
  }

  /** Resolves when the output has ended and everything has been consumed. */
  async drained(): Promise<void> {
    while (!(await closedWithin([this], SILENCE_MS))) {
      if (this.#source.isPaused() || performance.now() - this.#heardAt < SILENCE_MS) continue
      this.#source.destroy()
    }
  }
}

async function closedWithin(outputs: readonly Output[], ms: number): Promise<boolean> {
  const closed = Promise.all(outputs.map(output => output.closed)).then(() => true)
  return (await withinDeadline(closed, ms)) ?? false
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // ESRCH: all of it is gone.
  }
}
