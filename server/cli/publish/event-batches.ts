/**
 * Lines of events (NDJSON: `{"type":…,"data":…}`) as batches for one publish each. A batch ends when it has enough events or bytes, so
 * the same input has the same batches each time; with `pauseMs` also when the input pauses.
 */
import type { NewEvent } from '../../../clients/typescript/src/client.js'
import { textOf, withoutByteOrderMark } from '../../../src/bytes/utf8.js'
import { linesOf } from '../../../src/jobs/upload-lines.js'
import { Problem } from '../../../src/problems/problem.js'
import { Failure } from '../exit-code.js'

/** An event has 256 KiB; white space and escapes may make its line longer. The body of a request has at most 1 MiB. */
const MAX_LINE_BYTES = 900 * 1024
const MAX_BATCH_BYTES = 900 * 1024
const TYPE = /^[A-Za-z][A-Za-z0-9._:/-]{0,127}$/

export interface Batch {
  readonly events: readonly NewEvent[]
  /** The number of the line of each event, counted from 1. */
  readonly lines: readonly number[]
  /** Bytes of the input up to the end of this batch. */
  readonly read: number
}

export interface BatchOptions {
  readonly size: number
  /** Lines before this one are skipped. */
  readonly fromLine: number
  /** Undefined: batches are always full. */
  readonly pauseMs: number | undefined
  /** Ends the reading. */
  readonly signal: AbortSignal
}

/** A line that is no event; the batch that it would belong to is not published. */
export class BadLine extends Failure {
  constructor(
    readonly line: number,
    reason: string,
  ) {
    super(`Line ${line} ${reason}.`)
  }
}

/** @throws {BadLine} after the batches before it. */
export async function* batchesOf(
  input: AsyncIterable<Uint8Array>,
  { size, fromLine, pauseMs, signal }: BatchOptions,
): AsyncGenerator<Batch, void> {
  const pieces = linesOf(input, MAX_LINE_BYTES, signal)
  let [number, read, bytes] = [0, 0, 0]
  let events: NewEvent[] = []
  let lines: number[] = []
  const take = (): Batch => {
    const batch = { events, lines, read }
    events = []
    lines = []
    bytes = 0
    return batch
  }
  let next = pieces.next()
  try {
    for (;;) {
      if (pauseMs !== undefined && events.length > 0 && (await hasPaused(next, pauseMs))) yield take()
      const piece = await next
      if (piece.done) break
      if (piece.value.open > MAX_LINE_BYTES)
        throw new BadLine(number + piece.value.lines.length + 1, TOO_LONG)
      for (const line of piece.value.lines) {
        number += 1
        read += line.length + 1
        const event = number < fromLine ? undefined : eventOf(line, number)
        if (!event) continue
        if (events.length === size || (events.length > 0 && bytes + line.length > MAX_BATCH_BYTES)) {
          yield { ...take(), read: read - line.length - 1 }
        }
        events.push(event)
        lines.push(number)
        bytes += line.length + 1
      }
      next = pieces.next()
    }
    if (events.length > 0) yield take()
  } finally {
    // The input may not have ended; nobody waits for what is left of it.
    next.catch(() => undefined)
    void pieces.return(undefined)
  }
}

const TOO_LONG = `has more than ${MAX_LINE_BYTES} bytes; an event has 262144 bytes of data at most`

async function hasPaused(next: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const pause = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(true), ms)
  })
  try {
    return await Promise.race([next.then(() => false), pause])
  } finally {
    clearTimeout(timer)
  }
}

/** Undefined for a blank line. @throws {BadLine} */
function eventOf(bytes: Buffer, line: number): NewEvent | undefined {
  if (bytes.length > MAX_LINE_BYTES) throw new BadLine(line, TOO_LONG)
  const value = parsed(bytes, line)
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadLine(line, 'is not a JSON object with type and data')
  }
  const { type, data = {}, ...others }: Record<string, unknown> = Object.fromEntries(Object.entries(value))
  const [other] = Object.keys(others)
  if (other !== undefined) {
    throw new BadLine(line, `has the member ${JSON.stringify(other)}; an event has type and data`)
  }
  if (typeof type !== 'string' || !TYPE.test(type)) {
    throw new BadLine(line, 'has no type: a letter and up to 127 characters of A-Z a-z 0-9 . _ : / -')
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new BadLine(line, 'has data that is no JSON object')
  }
  return { type, data: Object.fromEntries(Object.entries(data)) }
}

function parsed(bytes: Buffer, line: number): unknown {
  try {
    const given = textOf(bytes, 'It')
    const text = line === 1 ? withoutByteOrderMark(given) : given
    return text.trim() === '' ? undefined : JSON.parse(text)
  } catch (error) {
    if (error instanceof Problem) throw new BadLine(line, 'is not valid UTF-8')
    throw new BadLine(line, `is not JSON (${error instanceof Error ? error.message : String(error)})`)
  }
}
