/**
 * The two outputs of a command. They wait while their reader is slow, use colours only on a terminal (never with NO_COLOR, see
 * no-color.org, or TERM=dumb), and end the process when the reader is gone.
 */
import type { WriteStream } from 'node:tty'
import { cleanLines, printable } from '../../src/logging/redaction.js'
import { ExitCode } from './exit-code.js'
import type { Environment } from './option.js'

/** Parameters of SGR (ECMA-48, 8.3.117): on, then off. */
const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const
export type Style = keyof typeof STYLES

export class Output {
  readonly isTerminal: boolean
  readonly #stream: WriteStream
  readonly #coloured: boolean
  readonly #failed: (error: NodeJS.ErrnoException) => void

  /** @param failed is called when a text cannot be written. */
  constructor(stream: WriteStream, env: Environment, failed: (error: NodeJS.ErrnoException) => void) {
    this.#stream = stream
    this.#failed = failed
    // The stream emits it too, after the callback of `write`.
    stream.on('error', failed)
    this.isTerminal = stream.isTTY === true
    this.#coloured = this.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb'
  }

  /** The columns of the terminal; 80 elsewhere. */
  get columns(): number {
    return this.#stream.columns || 80
  }

  /**
   * Writes exactly this text; resolves when it is written. If it cannot be, the process ends, for the standard output, and nothing
   * that would follow happens: what is stored after a line, such as a cursor, is about a line that was written.
   */
  async write(text: string): Promise<void> {
    await new Promise<void>(resolve => {
      this.#stream.write(text, error => {
        if (error) this.#failed(error)
        resolve()
      })
    })
  }

  /** Writes lines of which a part comes from elsewhere: without control characters and without secrets. */
  line(text: string): Promise<void> {
    return this.write(`${cleanLines(text)}\n`)
  }

  /** The text on one line, without control characters, in these styles if the output has colours. */
  styled(text: string, ...styles: readonly Style[]): string {
    const safe = printable(text)
    if (!this.#coloured) return safe
    return styles.reduce(
      (inner, style) => `\u001b[${STYLES[style][0]}m${inner}\u001b[${STYLES[style][1]}m`,
      safe,
    )
  }
}

export interface Terminal {
  /** Results: for a person or for the next program of a pipe. */
  readonly out: Output
  /** What a person should know meanwhile: progress, warnings, errors. */
  readonly err: Output
}

/** Once per process: it ends the process when the standard output cannot be written. */
export function openTerminal(env: Environment): Terminal {
  const err = new Output(process.stderr, env, () => undefined)
  return { out: new Output(process.stdout, env, endWithout), err }
}

/** The reader of a pipe ends it quietly: `head` has what it wants. */
function endWithout({ code, message }: NodeJS.ErrnoException): never {
  if (code === 'EPIPE') process.exit(ExitCode.brokenPipe)
  process.stderr.write(`The output cannot be written: ${message}.\n`)
  process.exit(ExitCode.failed)
}
