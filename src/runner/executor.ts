/**
 * The place where commands run. The runner claims, uploads and reports; an executor only runs one command in one
 * place: a shell on this machine (local-executor.ts), a program that starts it elsewhere (executors.ts), or a pod (kubernetes/).
 *
 * For implementers: `run` may be called many times concurrently. It must pass output on even without a line end, must
 * honour backpressure, and must leave nothing running when it settles.
 */
export type OutputStream = 'stdout' | 'stderr'

export interface Execution {
  /** The directory to run in, as the executor understands it. */
  readonly cwd: string
  /** The environment that the runner passes on; nothing but `variables` is added to it. */
  readonly env: Readonly<Record<string, string>>
  /** The variables of the command itself, which take precedence. Default: none. */
  readonly variables?: Readonly<Record<string, string>>
  /** The command's time limit in milliseconds, if it has one: `signal` aborts then. For a limit that outlives the runner. */
  readonly timeoutMs?: number | undefined
  /**
   * Aborts when the command must end early. The executor first asks it to end (SIGTERM), then forces it; `run` still
   * resolves with the outcome, after all output until then.
   */
  readonly signal: AbortSignal
  /**
   * Receives output as it arrives, in the order of its stream and cut anywhere. If it returns a promise, the executor
   * neither reads nor passes on further output of that stream until the promise resolves. It never throws or rejects.
   */
  onOutput(stream: OutputStream, chunk: Buffer): Promise<void> | undefined
}

/** How a command ended: with an exit code or by a signal. The other one is null. */
export interface Outcome {
  readonly exitCode: number | null
  /** Such as `SIGKILL`. */
  readonly signal: string | null
  /** Its duration in milliseconds. */
  readonly durationMs: number
  /** Why the place ended the command, such as a limit of memory. */
  readonly error?: string
}

export interface Executor {
  /**
   * Runs one command to its end. It resolves after all output has been passed on.
   * @throws {Error} if the command could not be started; the message gives the reason, for a person.
   */
  run(command: string, execution: Execution): Promise<Outcome>
}
