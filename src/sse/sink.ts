/**
 * Where one client's bytes go, with two water marks. Above the high one the sink is `full`: whoever feeds it
 * stops, and waits for `drained()`. It is drained when everything has gone to the kernel, which is when a Node
 * stream says so. So a client that does not read costs at most the high mark and one payload (I5).
 *
 * On plain HTTP/1.1 chunks go to the socket as they are: the head was written by Node, and the same chunk, made
 * once, serves every client. Elsewhere (HTTP/2, HTTP/1.0, injected requests) the response's own stream is used.
 */
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Payload } from './payload.js'

export const HIGH_WATER_BYTES = 64 * 1024
/** A client whose bytes have not moved for so long is let go. */
export const STALLED_MS = 30_000
/** What still waits at the end must be read within this time. */
const END_DEADLINE_MS = 5_000

export type Response = ServerResponse | Http2ServerResponse

export class Sink {
  readonly #response: Response
  readonly #target: Writable
  readonly #form: 'chunk' | 'bytes'
  #open = true
  #onClosed: (() => void)[] = []
  #draining: Promise<void> | undefined
  #endDraining: () => void = () => {}
  #bytes = 0
  #handedOver = 0
  #progressAt = Date.now()

  /** @param response its head is sent. */
  constructor(response: Response) {
    this.#response = response
    const socket = chunkedSocket(response)
    this.#form = socket ? 'chunk' : 'bytes'
    this.#target = socket ?? ('stream' in response ? response.stream : response)
    if (this.#target.destroyed || response.writableEnded) this.#open = false
    else response.once('close', () => this.#closed())
  }

  get open(): boolean {
    return this.#open
  }

  /** Bytes that wait in this process. */
  get pending(): number {
    return this.#target.writableLength
  }

  get full(): boolean {
    return this.#target.writableLength >= HIGH_WATER_BYTES
  }

  /** How long bytes have been waiting without any going out, in ms, as seen by calls of this method. */
  stalledFor(now: number): number {
    const handedOver = this.#bytes - this.pending
    if (this.pending === 0 || handedOver !== this.#handedOver) this.#progressAt = now
    this.#handedOver = handedOver
    return now - this.#progressAt
  }

  /** Never waits, never throws; after the end it does nothing. */
  write(payload: Payload): void {
    if (!this.#open || !this.#target.writable) return
    const bytes = payload[this.#form]
    this.#bytes += bytes.length
    this.#target.write(bytes)
  }

  /** Resolves when the sink has room again, or will never have: check `open` then. */
  drained(): Promise<void> {
    const { writable, writableNeedDrain } = this.#target
    // A connection that is broken, or that the client has half closed, never drains, but it is not closed yet: to
    // call it drained would let whoever waits for room spin, and the event loop would never get to closing it.
    if (!this.#open || (writable && !writableNeedDrain)) return Promise.resolve()
    this.#draining ??= new Promise(resolve => {
      this.#endDraining = () => {
        this.#target.off('drain', this.#endDraining)
        this.#draining = undefined
        resolve()
      }
      this.#target.on('drain', this.#endDraining)
    })
    return this.#draining
  }

  /** Calls back once, when the response has ended or the client has gone; at once if that was before. */
  onClosed(listener: () => void): void {
    if (this.#open) this.#onClosed.push(listener)
    else listener()
  }

  /** A clean end, after what was written. */
  end(): void {
    if (!this.#open) return
    this.#response.end()
    if (this.pending > 0) {
      const late = setTimeout(() => this.#target.destroy(), END_DEADLINE_MS)
      this.#response.once('close', () => clearTimeout(late))
    }
    this.#closed()
  }

  /** An end for a client that does not read: what waits is dropped. */
  destroy(): void {
    this.#target.destroy()
    this.#closed()
  }

  #closed(): void {
    if (!this.#open) return
    this.#open = false
    this.#endDraining()
    for (const listener of this.#onClosed.splice(0)) listener()
  }
}

/**
 * Sends the head that `writeHead` has made: in one write with whatever the sink is given before the program waits for
 * something, and by itself where that is nothing. A write costs more than all that is written at an opening.
 */
export function sendHead(response: ServerResponse): void {
  const socket = chunkedSocket(response)
  socket?.cork()
  response.flushHeaders()
  if (socket) process.nextTick(() => socket.uncork())
}

/** The socket, if Node has put the response on one of its own and chunks it. */
function chunkedSocket(response: Response): Socket | undefined {
  if ('stream' in response || !response.chunkedEncoding) return undefined
  // A pipelined response has no socket until the one before it has ended.
  return response.socket instanceof Socket ? response.socket : undefined
}
