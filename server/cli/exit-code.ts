/** The exit codes of all commands. `job run` has further ones: the status of the command that it has run. */
export const ExitCode = {
  done: 0,
  failed: 1,
  /** Wrong arguments, options, environment variables or contexts; nothing was done. */
  usage: 2,
  /** The gateway has refused the request (4xx). */
  refused: 3,
  /** No gateway answers, or it cannot serve now. */
  unreachable: 4,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
  /** The reader of the output is gone: 128 + SIGPIPE. */
  brokenPipe: 141,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const

/** An error with its text for a person (what happened, then what to do) and its exit code. */
export class Failure extends Error {
  readonly exitCode: number

  constructor(text: string, exitCode: number = ExitCode.failed) {
    super(text)
    this.exitCode = exitCode
  }
}
