/** Says on standard error, once, that another client holds the consumer. Other interruptions are those of every stream. */
import type { Notice } from '../../../clients/typescript/src/events.js'
import type { StreamState } from '../../../clients/typescript/src/stream-options.js'
import type { Outages } from '../tail/outages.js'
import type { Output } from '../terminal.js'

export class HolderWait {
  readonly #name: string
  readonly #err: Output
  readonly #outages: Outages
  #isTold = false
  /** The last attempt found the consumer held. */
  #isHeld = false

  constructor(name: string, err: Output, outages: Outages) {
    this.#name = name
    this.#err = err
    this.#outages = outages
  }

  onState(state: StreamState): void {
    if (state.name === 'connecting') this.#isHeld = false
    if (!this.#isHeld) this.#outages.onState(state)
  }

  onNotice(notice: Notice): void {
    const { type, data } = notice
    if (type === 'server.state') this.#isTold = false
    this.#isHeld = type === 'unavailable' && (data.reason === 'held' || data.reason === 'taken-over')
    if (!this.#isHeld) {
      this.#outages.onNotice(notice)
    } else if (!this.#isTold) {
      this.#isTold = true
      void this.#err.line(`Another client holds the consumer ${this.#name}. Waiting until it is free.`)
    }
  }
}
