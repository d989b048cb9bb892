/** What a schema cannot say about an event that a caller hands in. Its JSON text is made here, once. */
import { Problem } from '../problems/problem.js'
import { MAX_DATA_BYTES, MAX_DATA_DEPTH, type NewEvent } from './event.js'
import { RESERVED_PREFIX, RESERVED_TYPES } from './event-catalogue.js'

/**
 * Checks an event that satisfies the schema NewEvent.
 * @returns its data as JSON text. What UTF-8 or Postgres text cannot hold, lone surrogates and NUL, is escaped in it.
 * @throws {Problem} 400 `reserved-type`, 400 `data-too-deep`, 413 `event-too-large`.
 */
export function dataOf(event: NewEvent): string {
  if (RESERVED_TYPES.has(event.type)) {
    throw new Problem(
      400,
      'reserved-type',
      `Clients receive messages named ${event.type} that are not events. Name what happened, such as item.created.`,
    )
  }
  if (event.type.startsWith(RESERVED_PREFIX)) {
    throw new Problem(
      400,
      'reserved-type',
      `Types that start with ${RESERVED_PREFIX} tell of the status of a job, and only the gateway says them. ` +
        'Name what happened otherwise, such as build.completed.',
    )
  }
  // Before the text is made: JSON.stringify is recursive, and deep enough data ends the stack.
  if (isDeeperThan(MAX_DATA_DEPTH, event.data)) {
    throw new Problem(
      400,
      'data-too-deep',
      `The data of ${event.type} nests objects and arrays more than ${MAX_DATA_DEPTH} levels deep. Flatten it.`,
    )
  }
  const text = JSON.stringify(event.data)
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_DATA_BYTES) {
    throw new Problem(
      413,
      'event-too-large',
      `The data of ${event.type} is ${bytes} bytes of JSON, and an event carries at most ${MAX_DATA_BYTES}. ` +
        'Publish what changed, or a reference to it.',
    )
  }
  return text
}

/** Whether objects and arrays nest deeper, `data` being the first level. Level by level, without recursion. */
export function isDeeperThan(levels: number, data: object): boolean {
  let level: object[] = [data]
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > levels) return true
    level = level.flatMap(value => Object.values(value).filter(isContainer))
  }
  return false
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
