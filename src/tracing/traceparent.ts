/**
 * The place of a request or an event in a trace, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/#traceparent-header).
 * The log checks it in the same way (migrations/0043_plain_traceparents.sql).
 */

/** The fields of version 00, which has no others. A later version begins with the same ones. */
const TRACEPARENT =
  /^(?:00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$|(?!00|ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$))/
const NO_TRACE = '0'.repeat(32)
const NO_PARENT = '0'.repeat(16)
/** The length of version 00. */
const LENGTH = 55

/** The value as version 00; undefined if it is invalid, which means that there is no trace (§4.3). */
export function traceparentIn(given: unknown): string | undefined {
  if (typeof given !== 'string' || !TRACEPARENT.test(given)) return undefined
  if (given.startsWith(NO_TRACE, 3) || given.startsWith(NO_PARENT, 36)) return undefined
  return `00${given.slice(2, LENGTH)}`
}
