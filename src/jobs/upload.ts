/**
 * An upload of events, one JSON document a line, stored while it arrives: whoever follows the job sees a line soon after
 * it was sent, and however long the upload is, this process holds one piece of it. The next piece is read when the one
 * before it is stored, so a database that is slow slows the sender down.
 *
 * A line that cannot be stored ends the upload. What came before it stays stored, and the caller is told how much.
 */
import { Problem } from '../errors.js'
import { MAX_DATA_BYTES, MAX_EVENTS_PER_REQUEST } from '../events/event.js'
import type { PreparedEvent } from './content.js'

/** The largest data with each character escaped, and room for what is around it. */
const MAX_LINE_LENGTH = 6 * MAX_DATA_BYTES + 1_024
const MAX_BATCH_LENGTH = 1024 * 1024

export interface Upload {
  readonly body: AsyncIterable<Uint8Array>
  /**
   * Whether the lines alone decide where a batch ends, not how they arrive: then an upload that is repeated has the same
   * batches, and each can have its key. Such batches wait until they are full.
   */
  readonly repeatable: boolean
  /** @throws {Problem} for a line that is no event. */
  read(line: string): PreparedEvent
  /** @param first the number of the batch's first line, from 1. */
  store(batch: readonly PreparedEvent[], first: number): Promise<void>
}

/**
 * @returns how many events were stored.
 * @throws {Problem} of `read` and `store`, with the members `line`, the first that was not stored, and `stored`, the number
 *   of events that were; 400 `upload-broken` when the sender went away.
 */
export async function upload({ body, repeatable, read, store }: Upload): Promise<number> {
  let line = 0
  let stored = 0
  let batch: PreparedEvent[] = []
  let first = 0
  let length = 0
  const flush = async () => {
    const events = batch
    batch = []
    length = 0
    if (events.length > 0) await store(events, first).catch(error => refuse(error, first, stored))
    stored += events.length
  }
  try {
    for await (const lines of linesOf(body)) {
      for (const text of lines) {
        line += 1
        if (text.trim() === '') continue
        const event = read(bounded(text))
        if (batch.length === MAX_EVENTS_PER_REQUEST || length + text.length > MAX_BATCH_LENGTH) await flush()
        if (batch.length === 0) first = line
        batch.push(event)
        length += text.length
      }
      if (!repeatable) await flush()
    }
    await flush()
  } catch (error) {
    // Half of a batch under its key would make the repeated batch look like another request.
    if (!(repeatable && isBroken(error))) await flush()
    return refuse(error, line, stored)
  }
  return stored
}

/** The complete lines of each piece, as the pieces arrive; of a line without an end only the beginning. */
async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const piece of body) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE_LENGTH) break
      if (lines.length > 0) yield lines
    }
  } catch (error) {
    throw uploadBroken(error)
  }
  yield [rest + decoder.decode()]
}

function bounded(line: string): string {
  if (line.length <= MAX_LINE_LENGTH) return line
  throw new Problem(413, 'event-too-large', `A line is at most ${MAX_LINE_LENGTH} characters long.`)
}

function uploadBroken(cause: unknown): Problem {
  return new Problem(
    400,
    'upload-broken',
    'The connection broke before the upload was complete.',
    {},
    { cause },
  )
}

function isBroken(error: unknown): boolean {
  return error instanceof Problem && error.code === 'upload-broken'
}

/** Tells where it went wrong, once. */
function refuse(error: unknown, line: number, stored: number): never {
  if (!(error instanceof Problem) || 'stored' in error.members) throw error
  const { status, code, detail, members, cause } = error
  const told = `Line ${line}: ${detail} Before it, ${stored} events were stored.`
  throw new Problem(status, code, told, { ...members, line, stored }, { cause })
}
