/** How far an import has come: one line on a terminal, which it redraws a few times a second; nothing elsewhere. */
import type { Output } from '../terminal.js'

const REDRAW_MS = 100
const BAR = 24

export class Progress {
  readonly #err: Output
  readonly #total: number | undefined
  readonly #since = performance.now()
  #drawnAt = Number.NEGATIVE_INFINITY
  #isDrawn = false

  /** @param total bytes of the input; undefined if that is not known. */
  constructor(err: Output, total: number | undefined) {
    this.#err = err
    this.#total = total
  }

  async show(events: number, bytes: number): Promise<void> {
    const now = performance.now()
    if (!this.#err.isTerminal || now - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = now
    this.#isDrawn = true
    const rate = Math.round(events / Math.max((now - this.#since) / 1_000, 0.001))
    const text = `${this.#bar(bytes)}${grouped(events)} events, ${grouped(rate)} a second`
    await this.#err.write(`\r\u001b[K${text.slice(0, this.#err.columns - 1)}`)
  }

  /** Removes the line, so that a message can take its place. */
  async clear(): Promise<void> {
    if (this.#isDrawn) await this.#err.write('\r\u001b[K')
    this.#isDrawn = false
  }

  #bar(bytes: number): string {
    if (this.#total === undefined || this.#total === 0) return ''
    const part = Math.min(bytes / this.#total, 1)
    const full = Math.round(part * BAR)
    return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${Math.floor(part * 100)} %  `
  }
}

export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
