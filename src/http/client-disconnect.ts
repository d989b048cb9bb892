/** Detects that a client has disconnected, so that the gateway neither waits nor holds anything for it. */
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Writable } from 'node:stream'
import { Problem } from '../problems/problem.js'

type Response = ServerResponse | Http2ServerResponse

/** Calls back when the response closes; at once if the client disconnected earlier, such as during authentication. */
export function whenClosed(response: Response, act: () => void): void {
  const target = targetOf(response)
  if (target.destroyed) act()
  else target.once('close', act)
}

/** Whether the client was sent the whole response, as far as a closed response says. One of HTTP/2 that was reset says that it is finished. */
export function wasSent(response: Response): boolean {
  return 'stream' in response
    ? response.writableEnded && response.stream.rstCode === 0
    : response.writableFinished
}

/** Signal that aborts when the response closes; already aborted if it has. */
export function disconnectSignal(response: Response): AbortSignal {
  const closed = new AbortController()
  whenClosed(response, () => closed.abort(disconnected()))
  return closed.signal
}

/** Whether a client has gone. Most openings wait for nothing, so the signal, with its listener and its error, is made on first use. */
export class ClientPresence {
  readonly #response: Response
  #signal: AbortSignal | undefined

  constructor(response: Response) {
    this.#response = response
  }

  /** Aborts when the client disconnects. */
  get signal(): AbortSignal {
    this.#signal ??= disconnectSignal(this.#response)
    return this.#signal
  }

  get hasGone(): boolean {
    return this.#signal ? this.#signal.aborted : targetOf(this.#response).destroyed
  }
}

/** Only the stream of a response of HTTP/2 says afterwards that it has closed. */
function targetOf(response: Response): Writable {
  return 'stream' in response ? response.stream : response
}

/** Nobody receives it. */
function disconnected(): Problem {
  return new Problem(499, 'client-disconnected', 'The client has closed the connection.')
}
