/** Checks that a schema cannot express: the size and depth of a job's JSON, and the types of its events. */

import type { NewEvent } from '../log/event.js'
import { isDeeperThan, textOfData } from '../log/new-event.js'
import { Problem } from '../problems/problem.js'
import { MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH } from './job.js'
import { assertReportable } from './stream-types.js'

/** A checked event; `data` is its JSON text. */
export interface PreparedEvent {
  readonly type: string
  readonly data: string
}

/**
 * The JSON text of a payload or result. It escapes lone surrogates and NUL, which Postgres cannot store as text.
 * @param what name of the member, for the error.
 * @throws {Problem} 400 `data-too-deep`, 413 `payload-too-large`.
 */
export function jsonOf(what: 'payload' | 'result', value: Readonly<Record<string, unknown>>): string {
  if (isDeeperThan(MAX_PAYLOAD_DEPTH, value)) {
    const detail = `The ${what} nests objects and arrays more than ${MAX_PAYLOAD_DEPTH} levels deep. Flatten it.`
    throw new Problem(400, 'data-too-deep', detail)
  }
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_PAYLOAD_BYTES) return text
  const detail =
    `The ${what} has ${bytes} bytes of JSON; a job stores at most ${MAX_PAYLOAD_BYTES}. ` +
    'Store the rest elsewhere and refer to it.'
  throw new Problem(413, 'payload-too-large', detail)
}

/**
 * Checks an event for a job's stream.
 * @param kind of the job; it may be left out unless `dependsOnKind`.
 * @throws {Problem} 400 `reserved-type`, `data-too-deep`; 413 `event-too-large`.
 */
export function prepare(event: NewEvent, kind?: string): PreparedEvent {
  assertReportable(event, kind)
  return { type: event.type, data: textOfData(event) }
}
