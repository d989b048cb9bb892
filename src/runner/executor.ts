/**
 * Where commands are executed. The runner claims, uploads and reports; an executor only knows how to run one command
 * in one place: a shell on this machine (local-executor.ts), or a container somewhere else.
 *
 * For whoever implements it: `run` may be called many times at once. It must not keep output back for want of a line
 * end, must honour back-pressure, and must leave nothing running when it settles.
 */
export type OutputStream = 'stdout' | 'stderr'

export interface Execution {
  /** The folder to run in, as the executor understands it. */
  readonly cwd: string
  /** The whole environment of the command; nothing is added to it. */
  readonly env: Readonly<Record<string, string>>
  /**
   * Aborted when the command must end before its time. It is first asked to (SIGTERM), then made to; `run` still
   * resolves with its outcome, after the output that it wrote until then.
   */
  readonly signal: AbortSignal
  /**
   * Takes output as it comes, in the order of its stream and cut anywhere. When it returns a promise, no more of that
   * stream is handed in, nor read, until the promise resolves. It never throws or rejects.
   */
  onOutput(stream: OutputStream, chunk: Buffer): Promise<void> | undefined
}

/** How a command ended: by an exit code, or by a signal. The other is null. */
export interface Outcome {
  readonly exitCode: number | null
  /** Such as `SIGKILL`. */
  readonly signal: string | null
  /** From its start to its end, in milliseconds. */
  readonly durationMs: number
}

export interface Executor {
  /**
   * Runs one command to its end. All output has been handed in by then.
   * @throws {Error} when it could not be started; the message says why, for a person.
   */
  run(command: string, execution: Execution): Promise<Outcome>
}
