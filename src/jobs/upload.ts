/**
 * An upload of events, one JSON document per line, stored while it arrives: clients that follow the job get a line
 * soon after it was sent, and the process holds one piece of the upload, however long it is. It reads the next piece
 * when the previous one is stored, so backpressure from a slow database slows the sender down.
 *
 * A line that cannot be stored ends the upload. The lines before it stay stored, and the error says how many.
 */

import { textOf, withoutByteOrderMark } from '../bytes/utf8.js'
import { MAX_DATA_BYTES, MAX_EVENTS_PER_REQUEST, type NewEvent } from '../log/event.js'
import { Problem } from '../problems/problem.js'
import type { PreparedEvent } from './content.js'
import { linesOf } from './upload-lines.js'

/** The largest data with each character escaped, plus room for its envelope. */
const MAX_LINE_BYTES = 6 * MAX_DATA_BYTES + 1_024
const MAX_BATCH_LENGTH = 1024 * 1024

/** The inputs of an upload, and what ends it. */
export interface UploadedLines {
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the upload, even while nothing arrives. Nothing is stored after it aborts; its reason is thrown. */
  readonly signal: AbortSignal
  /** Called with the bytes that the upload holds between two pieces. If it throws, the upload ends. */
  hold(bytes: number): void
  /** Turns a line into an event; an error ends the upload. */
  parse(line: string): NewEvent
}

export interface Upload extends Omit<UploadedLines, 'parse'> {
  /**
   * Whether only the lines decide where a batch ends, not their arrival: then a repeated upload has the same batches,
   * and each batch can have a key. Such batches wait until they are full.
   */
  readonly repeatable: boolean
  /** @throws {Problem} for a line that is not an event. */
  read(line: string): PreparedEvent
  /** @param first number of the first line of the batch, from 1. */
  store(batch: readonly PreparedEvent[], first: number): Promise<void>
}

/**
 * @returns the number of stored events.
 * @throws {Problem} 400 `invalid-utf8`; those of `signal`, `hold`, `read` and `store`; each with the members `line`,
 *   the first line that was not stored, and `stored`, the number of stored events; 400 `upload-broken` if the sender
 *   disconnected.
 */
export async function upload({ body, repeatable, signal, hold, read, store }: Upload): Promise<number> {
  let stored = 0
  let batch: PreparedEvent[] = []
  /** The first line of the batch, and the one after its last. */
  let first = 1
  let next = 1
  let length = 0
  /** Whether the batch was passed on and its outcome is unknown or a failure. */
  let storing = false
  const flush = async () => {
    signal.throwIfAborted()
    storing = batch.length > 0
    if (storing) await store(batch, first)
    storing = false
    stored += batch.length
    batch = []
    length = 0
  }
  const unstored = () => (batch.length > 0 ? first : next)
  try {
    for await (const { lines, open } of linesOf(body, MAX_LINE_BYTES, signal)) {
      for (const bytes of lines) {
        const text = lineOf(bytes, next)
        if (text.trim() !== '') {
          const event = read(text)
          if (batch.length === MAX_EVENTS_PER_REQUEST || length + text.length > MAX_BATCH_LENGTH)
            await flush()
          if (batch.length === 0) first = next
          batch.push(event)
          length += text.length
        }
        next += 1
      }
      if (!repeatable) await flush()
      hold(open + length)
    }
    await flush()
  } catch (error) {
    // Half of a batch under the batch's key would make the repeated batch look like another request.
    const isLost = storing || signal.aborted || (repeatable && isBroken(error))
    if (!isLost) await flush().catch(failed => refuse(failed, unstored(), stored))
    return refuse(error, unstored(), stored)
  }
  return stored
}

/** A byte order mark at the start of the upload is not part of its first line. */
function lineOf(bytes: Buffer, line: number): string {
  if (bytes.length > MAX_LINE_BYTES) {
    throw new Problem(413, 'event-too-large', `A line must have at most ${MAX_LINE_BYTES} bytes.`)
  }
  const text = textOf(bytes, 'The line')
  return line === 1 ? withoutByteOrderMark(text) : text
}

function isBroken(error: unknown): boolean {
  return error instanceof Problem && error.code === 'upload-broken'
}

/** Adds the place of the fault. */
function refuse(error: unknown, line: number, stored: number): never {
  if (!(error instanceof Problem)) throw error
  const { status, code, detail, members, cause } = error
  const text = `Line ${line}: ${detail} Before it, ${stored} events were stored.`
  throw new Problem(status, code, text, { ...members, line, stored }, { cause })
}
