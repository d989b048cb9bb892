/** Reads and writes the file of a history: lines of JSON in UTF-8, in one file or in several that follow one another. */

import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type Entry, lineOf } from './history.js'
import type { Lines } from './oracle.js'

const CHUNK_BYTES = 1024 * 1024
/** Lines are collected to this size, because a write for each of millions of them would cost more than the lines. */
const BATCH_CHARACTERS = 64 * 1024

export function linesOf(...paths: string[]): Lines {
  return async function* () {
    for (const path of paths) {
      let rest = ''
      for await (const text of createReadStream(path, { encoding: 'utf8', highWaterMark: CHUNK_BYTES })) {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        yield lines
      }
      // The process that wrote it was killed in the middle of a line: that line says nothing.
    }
  }
}

export class HistoryWriter {
  readonly #target: Writable
  #batch = ''

  constructor(path: string) {
    this.#target = createWriteStream(path)
  }

  write(entry: Entry): void {
    this.writeLine(lineOf(entry))
  }

  /** @param line with its line end. */
  writeLine(line: string): void {
    this.#batch += line
    if (this.#batch.length >= BATCH_CHARACTERS) this.#flush()
  }

  /** Resolves when so little waits that more may be written. A program that writes as fast as it can must wait for it. */
  async drained(): Promise<void> {
    if (this.#target.writableNeedDrain) await once(this.#target, 'drain')
  }

  async close(): Promise<void> {
    this.#flush()
    this.#target.end()
    await finished(this.#target)
  }

  #flush(): void {
    this.#target.write(this.#batch)
    this.#batch = ''
  }
}
