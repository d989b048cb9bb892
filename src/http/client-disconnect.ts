/** Detects that a client has disconnected, so that the gateway neither waits nor holds anything for it. */
import type { ServerResponse } from 'node:http'
import { Problem } from '../problems/problem.js'

/** Signal that aborts when the response closes; already aborted if the client disconnected during authentication. */
export function disconnectSignal(response: ServerResponse): AbortSignal {
  const closed = new AbortController()
  response.once('close', () => closed.abort(disconnected()))
  if (response.destroyed) closed.abort(disconnected())
  return closed.signal
}

/** Whether a client has gone. Most openings wait for nothing, so the signal, with its listener and its error, is made on first use. */
export class ClientPresence {
  readonly #response: ServerResponse
  #signal: AbortSignal | undefined

  constructor(response: ServerResponse) {
    this.#response = response
    // A response of HTTP/2 does not say later that it has closed.
    if ('stream' in response) this.#signal = disconnectSignal(response)
  }

  /** Aborts when the client disconnects. */
  get signal(): AbortSignal {
    this.#signal ??= disconnectSignal(this.#response)
    return this.#signal
  }

  get hasGone(): boolean {
    return this.#signal ? this.#signal.aborted : this.#response.destroyed
  }
}

/** Nobody receives it. */
function disconnected(): Problem {
  return new Problem(499, 'client-disconnected', 'The client has closed the connection.')
}
