/**
 * A file that holds one cursor: the id of the last event whose line was written. It is overwritten in place, which costs a few
 * microseconds per event; a process that is killed leaves the old or the new cursor.
 */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { CursorStore } from '../../../clients/typescript/src/cursor-store.js'
import { UsageError } from '../../../src/process/usage.js'
import { ExitCode, Failure } from '../exit-code.js'

const ID = /^[A-Za-z0-9._-]{1,64}$/

export class CursorFile implements CursorStore {
  readonly #path: string
  readonly #descriptor: number
  readonly #first: string | undefined
  #length: number

  /** Creates the file if it is missing. @throws {UsageError} if it cannot be written or holds no event id. */
  constructor(path: string) {
    this.#path = path
    try {
      this.#descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666)
    } catch (error) {
      throw new UsageError(`--cursor-file: ${error instanceof Error ? error.message : String(error)}.`)
    }
    const text = readFileSync(this.#descriptor, 'utf8')
    this.#length = Buffer.byteLength(text)
    const id = text.trim()
    if (id !== '' && !ID.test(id)) {
      throw new UsageError(`--cursor-file: ${path} holds no event id. Give another file, or empty this one.`)
    }
    this.#first = id === '' ? undefined : id
  }

  async load(): Promise<string | undefined> {
    return this.#first
  }

  async save(id: string): Promise<void> {
    const line = Buffer.from(`${id}\n`)
    try {
      writeSync(this.#descriptor, line, 0, line.length, 0)
      if (line.length < this.#length) ftruncateSync(this.#descriptor, line.length)
      this.#length = line.length
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Failure(`The cursor cannot be written to ${this.#path}: ${reason}.`, ExitCode.failed)
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
