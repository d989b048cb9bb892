/**
 * The cursor that a live response gives its client to send back (PROTOCOL §10.1): the number of the interval in which the
 * request arrived, so that a cache does not answer the same request for ever. It is not a place in the stream.
 */

const EPOCH = Date.UTC(2024, 9, 9)
const INTERVAL_MS = 20_000
/** The protocol allows up to an hour. A small step lets time catch up, and then clients share their cursor, and bytes, again. */
const MOST_STEPS = 3
/** Later cursors are not ours: a response for them begins anew. */
const MOST_DIGITS = 12
const CURSOR = new RegExp(`^[0-9]{1,${MOST_DIGITS}}$`)

/**
 * @param brought the cursor that the client has sent, if any. The result is greater than it.
 * @param random a number from 0 up to 1.
 */
export function nextCursor(brought: string | undefined, now = Date.now(), random = Math.random()): string {
  const current = Math.max(0, Math.floor((now - EPOCH) / INTERVAL_MS))
  if (brought === undefined || !CURSOR.test(brought) || Number(brought) < current) return String(current)
  return String(Number(brought) + 1 + Math.floor(random * MOST_STEPS))
}
