/**
 * The destination of one client's bytes, and the place that decides backpressure. Above the high-water mark the sink is
 * `full`: its writer stops and waits for `drained()`, which resolves when the kernel has taken everything (Node's
 * `drain`). So a client that does not read costs at most the high-water mark and one payload (I5).
 *
 * On plain HTTP/1.1, chunks go to the socket unchanged: Node has written the head, and the same chunk, made once, serves
 * every client. Otherwise (HTTP/2, HTTP/1.0, injected requests) the sink writes to the response's own stream.
 */
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { SendQueues } from '../network/send-queues.js'
import type { Payload } from './payload.js'
import { FIRST_LOOK_MS, SlowReader } from './slow-reader.js'

export const HIGH_WATER_BYTES = 64 * 1024
/** A client that reads nothing for this long is disconnected. */
export const STALLED_MS = 30_000
/** The longest time without progress, in ms, for which the sink waits for the kernel to tell whether the client has read. */
const LONGEST_LOOK_MS = 120_000
/** The time for a client to read the remaining bytes after the end. */
const END_DEADLINE_MS = 5_000

const NOTHING = () => {}

export type Response = ServerResponse | Http2ServerResponse

export class Sink {
  readonly #response: Response
  readonly #target: Writable
  readonly #form: 'chunk' | 'bytes'
  #open = true
  #onClosed: (() => void)[] = []
  #draining: Promise<void> | undefined
  #endDraining = NOTHING
  #bytes = 0
  #handedOver = 0
  /** Whether bytes waited at the last look. */
  #waited = false
  #progressAt = Date.now()
  readonly #queues: Pick<SendQueues, 'bytesOf'> | undefined
  #slowReader: SlowReader | undefined

  /**
   * @param response a response whose head has been sent.
   * @param queues the kernel's; without them a client that reads too slowly for Node to notice counts as one that does not read.
   */
  constructor(response: Response, queues?: Pick<SendQueues, 'bytesOf'>) {
    this.#response = response
    this.#queues = queues
    const socket = chunkedSocket(response)
    this.#form = socket ? 'chunk' : 'bytes'
    this.#target = socket ?? ('stream' in response ? response.stream : response)
    if (this.#target.destroyed || response.writableEnded) this.#open = false
    // Not `once`, which wraps it: it happens once, and each open stream keeps its listeners.
    else response.on('close', () => this.#closed())
  }

  get open(): boolean {
    return this.#open
  }

  /** Bytes that wait for the client in this process. */
  get pending(): number {
    return this.#target.writableLength
  }

  /** All bytes that were written to it, with those that wait. */
  get written(): number {
    return this.#bytes
  }

  get full(): boolean {
    return this.#target.writableLength >= HIGH_WATER_BYTES
  }

  /** Milliseconds for which bytes have waited without progress, measured from call to call. */
  stalledFor(now: number): number {
    // Nothing has been written since nothing waited. Asking the socket of each idle client twice a second would miss the processor's
    // caches.
    if (this.#bytes === this.#handedOver) return 0
    const { pending } = this
    const handedOver = this.#bytes - pending
    if (pending === 0 || handedOver !== this.#handedOver || !this.#waited) {
      this.#progressAt = now
      this.#slowReader = undefined
    }
    this.#waited = pending > 0
    this.#handedOver = handedOver
    const stalledMs = now - this.#progressAt
    return this.#queues && stalledMs >= FIRST_LOOK_MS ? this.#lookCloser(now, this.#queues) : stalledMs
  }

  /** Never waits, never throws; after the end it does nothing. */
  write(payload: Payload): void {
    if (!this.#open || !this.#target.writable) return
    const bytes = payload[this.#form]
    this.#bytes += bytes.length
    if (this.#form === 'chunk' && payload.chunkStart) this.#writeBoth(payload.chunkStart, bytes)
    else this.#target.write(bytes)
  }

  /** Resolves when the sink has room again, or will never have: check `open` then. */
  drained(): Promise<void> {
    const { writable, writableNeedDrain } = this.#target
    // A broken connection, or one that the client has half closed, never drains, but it is not closed yet: if this
    // resolved at once, a waiting writer would spin, and the event loop would never close the connection.
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

  /** Calls back once, when the response has ended or the client has disconnected; at once if that has already happened. */
  onClosed(listener: () => void): void {
    if (this.#open) this.#onClosed.push(listener)
    else listener()
  }

  /** Ends the response cleanly after the bytes written so far. */
  end(): void {
    if (!this.#open) return
    this.#response.end()
    if (this.pending > 0) {
      const late = setTimeout(() => this.#target.destroy(), END_DEADLINE_MS)
      this.#response.once('close', () => clearTimeout(late))
    }
    this.#closed()
  }

  /** Ends the response of a client that does not read: waiting bytes are dropped. */
  destroy(): void {
    this.#target.destroy()
    this.#closed()
  }

  /** Over HTTP/2 one connection carries many responses, and its windows are smaller than the buffers of the kernel. */
  #lookCloser(now: number, queues: Pick<SendQueues, 'bytesOf'>): number {
    const response = this.#response
    const look = async () =>
      'stream' in response || !response.socket ? undefined : await queues.bytesOf(response.socket)
    this.#slowReader ??= new SlowReader(look)
    if (this.#slowReader.hasRead()) this.#progressAt = now
    const stalledMs = now - this.#progressAt
    this.#slowReader.check(stalledMs)
    return this.#slowReader.isLooking && stalledMs < LONGEST_LOOK_MS
      ? Math.min(stalledMs, STALLED_MS)
      : stalledMs
  }

  /** In one system call. */
  #writeBoth(start: Buffer, rest: Buffer): void {
    this.#bytes += start.length
    this.#target.cork()
    this.#target.write(start)
    this.#target.write(rest)
    this.#target.uncork()
  }

  #closed(): void {
    if (!this.#open) return
    this.#open = false
    this.#endDraining()
    for (const listener of this.#onClosed.splice(0)) listener()
  }
}

/**
 * Sends the head that `writeHead` has made, in one write with the first payloads of the same turn, if there are any. A system
 * call costs more than everything that is written when a stream opens.
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
