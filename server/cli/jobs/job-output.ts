/**
 * Writes what a command wrote: its standard output to ours, its standard error to ours. On a terminal control characters are escaped,
 * as the output of a job is text from elsewhere; into a file or a pipe it goes unchanged.
 */
import type { FeedEvent } from '../../../clients/typescript/src/events.js'
import { printable } from '../../../src/logging/redaction.js'
import type { Output, Terminal } from '../terminal.js'

export class JobOutput {
  readonly #terminal: Terminal
  readonly #isRaw: boolean

  /** @param isRaw whether a terminal gets the output unchanged, with its colours, too. */
  constructor(terminal: Terminal, isRaw: boolean) {
    this.#terminal = terminal
    this.#isRaw = isRaw
  }

  /** Does nothing for other events. */
  async write({ type, data }: FeedEvent): Promise<void> {
    if (type !== 'output') return
    const { line, stream, continues } = Object(data)
    if (typeof line !== 'string') return
    const target = stream === 'stderr' ? this.#terminal.err : this.#terminal.out
    await target.write(`${this.#shown(line, target)}${continues === true ? '' : '\n'}`)
  }

  #shown(line: string, { isTerminal }: Output): string {
    return isTerminal && !this.#isRaw ? line.split('\t').map(printable).join('\t') : line
  }
}
