/** One direction of a connection through a network: it carries bytes in order, late or slowly or not at all. */
import type { Socket } from 'node:net'

/** What the network itself may hold before it takes no more. */
const MOST_BYTES = 64 * 1024

/**
 * Ends a connection without a word. A socket that is being shut down cannot be reset (libuv answers EINVAL), and Node would then keep
 * it, and be busy with it for ever when the process ends.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}

export class Wire {
  delayMs = 0
  bytesPerSecond = Number.POSITIVE_INFINITY
  /** The connection is reset after so many. */
  bytesLeft = Number.POSITIVE_INFINITY
  /** Bytes get lost, and so does the end of the connection. */
  isSilent = false
  /** What the other side gets of the bytes. */
  filter: ((bytes: Buffer) => Buffer) | undefined
  readonly #from: Socket
  readonly #to: Socket
  #waiting: { readonly bytes: Buffer; readonly due: number }[] = []
  #waitingBytes = 0
  #due = 0
  #ended = false
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    from.on('data', bytes => this.#take(bytes))
    from.on('end', () => this.#end())
    // A connection that breaks on one side breaks on the other one.
    from.on('close', hadError => this.isSilent || (hadError ? reset(to) : this.#end()))
    to.on('drain', () => this.#resume())
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#waiting = []
  }

  #take(bytes: Buffer): void {
    if (this.isSilent) return
    const now = performance.now()
    this.#due = Math.max(this.#due, now + this.delayMs) + (bytes.length / this.bytesPerSecond) * 1_000
    if (this.#waiting.length === 0 && this.#due <= now) {
      this.#write(bytes)
      return
    }
    this.#waiting.push({ bytes, due: this.#due })
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes > MOST_BYTES) this.#from.pause()
    this.#timer ??= setTimeout(() => this.#move(), this.#due - now)
  }

  #move(): void {
    this.#timer = undefined
    const now = performance.now()
    for (let next = this.#waiting[0]; next && next.due <= now; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#waitingBytes -= next.bytes.length
      this.#write(next.bytes)
    }
    const [next] = this.#waiting
    if (next) this.#timer = setTimeout(() => this.#move(), next.due - now)
    else if (this.#ended) this.#to.end()
    this.#resume()
  }

  #write(arrived: Buffer): void {
    if (this.isSilent || this.#to.destroyed) return
    const bytes = this.filter ? this.filter(arrived) : arrived
    if (bytes.length === 0) return
    if (bytes.length >= this.bytesLeft) {
      this.#to.write(bytes.subarray(0, this.bytesLeft), () => reset(this.#to))
      this.bytesLeft = 0
      this.isSilent = true
      return
    }
    this.bytesLeft -= bytes.length
    if (!this.#to.write(bytes)) this.#from.pause()
  }

  #resume(): void {
    if (this.#waitingBytes <= MOST_BYTES && !this.#to.writableNeedDrain) this.#from.resume()
  }

  #end(): void {
    this.#ended = true
    if (!this.isSilent && this.#waiting.length === 0) this.#to.end()
  }
}
