/** When somebody who waits for an answer has gone, so that nothing is waited for, nor held, on nobody's behalf. */
import type { ServerResponse } from 'node:http'

/** Aborts when the response is over. At once when the client left while it was still being looked at who that is. */
export function departureOf(response: ServerResponse): AbortSignal {
  const departure = new AbortController()
  response.once('close', () => departure.abort())
  if (response.destroyed) departure.abort()
  return departure.signal
}
