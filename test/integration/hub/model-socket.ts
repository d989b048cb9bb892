/** The response of a client in the model: it takes everything at once, or nothing until it is drained, or it breaks. */
import { EventEmitter } from 'node:events'

/** Of Node's sockets. */
const NEEDS_DRAIN_BYTES = 16 * 1024

export class ModelSocket extends EventEmitter {
  destroyed = false
  writableEnded = false
  writableNeedDrain = false
  writableLength = 0
  #stalled = false
  #waiting: Buffer[] = []
  readonly #hear: (text: string) => void

  /** @param hear what the client has read. */
  constructor(hear: (text: string) => void) {
    super()
    this.#hear = hear
  }

  get writable(): boolean {
    return !this.destroyed && !this.writableEnded
  }

  write(bytes: Buffer): boolean {
    if (!this.#stalled) {
      this.#hear(bytes.toString())
      return true
    }
    this.#waiting.push(bytes)
    this.writableLength += bytes.length
    this.writableNeedDrain ||= this.writableLength >= NEEDS_DRAIN_BYTES
    return !this.writableNeedDrain
  }

  /** The client reads nothing from now on. */
  stall(): void {
    this.#stalled = true
  }

  /** The client reads everything that waits, and goes on reading. */
  drain(): void {
    this.#stalled = false
    const waiting = this.#waiting.splice(0)
    this.writableLength = 0
    for (const bytes of waiting) this.#hear(bytes.toString())
    if (this.writableEnded) this.destroy()
    else if (this.writableNeedDrain) {
      this.writableNeedDrain = false
      this.emit('drain')
    }
  }

  end(): void {
    this.writableEnded = true
    if (!this.#stalled) this.destroy()
  }

  /** The connection breaks: what waits is lost. */
  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#waiting = []
    this.writableLength = 0
    process.nextTick(() => this.emit('close'))
  }
}
