/** The checks of a published event that a schema cannot express. Its data becomes JSON text here, once. */
import { Problem } from '../problems/problem.js'
import { MAX_DATA_BYTES, MAX_DATA_DEPTH, type NewEvent } from './event.js'
import { RESERVED_PREFIX, RESERVED_TYPES } from './event-catalogue.js'

/**
 * Checks an event that satisfies the schema NewEvent and is to be published.
 * @returns its data as JSON text.
 * @throws {Problem} 400 `reserved-type`, 400 `data-too-deep`, 413 `event-too-large`.
 */
export function dataOf(event: NewEvent): string {
  refuseNotice(event)
  if (event.type.startsWith(RESERVED_PREFIX)) {
    throw new Problem(
      400,
      'reserved-type',
      `Types that start with ${RESERVED_PREFIX} are reserved: only the gateway reports the status of a job. ` +
        'Choose another type, such as build.completed.',
    )
  }
  return textOfData(event)
}

/** @throws {Problem} 400 `reserved-type` for a type of the gateway's own, and for one that an EventSource dispatches itself. */
export function refuseNotice({ type }: NewEvent): void {
  if (!RESERVED_TYPES.has(type)) return
  throw new Problem(
    400,
    'reserved-type',
    `The type ${type} is reserved: clients receive messages of this name from the gateway only. Choose another type, such as item.created.`,
  )
}

/**
 * The JSON text of an event's data. Lone surrogates and NUL, which UTF-8 or Postgres cannot store, are escaped in it.
 * @throws {Problem} 400 `data-too-deep`, 413 `event-too-large`.
 */
export function textOfData(event: NewEvent): string {
  // Before JSON.stringify, which is recursive: deep data would overflow its stack.
  if (isDeeperThan(MAX_DATA_DEPTH, event.data)) {
    throw new Problem(
      400,
      'data-too-deep',
      `The data of ${event.type} has more than ${MAX_DATA_DEPTH} levels of objects and arrays. Flatten it.`,
    )
  }
  const text = JSON.stringify(event.data)
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_DATA_BYTES) {
    throw new Problem(
      413,
      'event-too-large',
      `The data of ${event.type} is ${bytes} bytes of JSON; the limit is ${MAX_DATA_BYTES}. ` +
        'Publish the change only, or a reference to the data.',
    )
  }
  return text
}

/** Whether objects and arrays nest deeper than this; `data` is the first level. Level by level, without recursion. */
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
