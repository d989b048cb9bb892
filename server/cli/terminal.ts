/**
 * The two outputs of a command. They wait while their reader is slow, use colours only on a terminal (never with NO_COLOR, see
 * no-color.org, or TERM=dumb), and end the process quietly when the reader is gone.
 */
import { once } from 'node:events'
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

  constructor(stream: WriteStream, env: Environment) {
    this.#stream = stream
    this.isTerminal = stream.isTTY === true
    this.#coloured = this.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb'
  }

  /** Of a terminal; 80 elsewhere. */
  get columns(): number {
    return this.#stream.columns || 80
  }

  /** Writes exactly this text; resolves when there is room for more. */
  async write(text: string): Promise<void> {
    if (this.#stream.write(text) || this.#stream.destroyed) return
    const gone = new AbortController()
    const { signal } = gone
    await Promise.race([once(this.#stream, 'drain', { signal }), once(this.#stream, 'close', { signal })])
    gone.abort()
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

/** Once per process: it ends the process when the reader of the standard output is gone. */
export function openTerminal(env: Environment): Terminal {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? ExitCode.brokenPipe : ExitCode.failed)
  })
  process.stderr.on('error', () => undefined)
  return { out: new Output(process.stdout, env), err: new Output(process.stderr, env) }
}
