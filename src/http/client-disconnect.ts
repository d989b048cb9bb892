/** Detects that a client has disconnected, so that the gateway neither waits nor holds anything for it. */
import type { ServerResponse } from 'node:http'

/** Signal that aborts when the response closes; already aborted if the client disconnected during authentication. */
export function disconnectSignal(response: ServerResponse): AbortSignal {
  const closed = new AbortController()
  response.once('close', () => closed.abort())
  if (response.destroyed) closed.abort()
  return closed.signal
}
