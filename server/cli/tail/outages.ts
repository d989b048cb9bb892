/**
 * Says on standard error that the stream is interrupted: once per outage, and only if the first attempt to connect again fails too. An
 * outage is over when the gateway has said its first `server.state`.
 */
import type { Notice } from '../../../clients/typescript/src/events.js'
import type { StreamState } from '../../../clients/typescript/src/stream-options.js'
import { isLasting, remedyOf } from '../gateway-failure.js'
import type { Output } from '../terminal.js'

export class Outages {
  readonly #url: string
  readonly #err: Output
  #isTold = false
  #isUp = false
  #hasWorked = false

  constructor(url: string, err: Output) {
    this.#url = url
    this.#err = err
  }

  onState(state: StreamState): void {
    if (state.name !== 'waiting') return
    if (!this.#isUp) this.#tell(state.reason)
    this.#isUp = false
  }

  onNotice({ type, data }: Notice): void {
    if (type === 'server.state') {
      this.#isTold = false
      this.#isUp = true
      this.#hasWorked = true
    }
    if (type === 'unavailable') this.#tell(`the gateway is unavailable: ${data.reason}`)
  }

  #tell(reason: string): void {
    if (this.#isTold) return
    this.#isTold = true
    const what = this.#hasWorked ? 'The connection is interrupted' : 'There is no connection'
    const why = reason.replace(/^\w*Error: |\.$/g, '')
    const remedy = isLasting(why) ? ` ${remedyOf(why)}` : ''
    void this.#err.line(`${what} (${why}). Trying again: ${this.#url}${remedy}`)
  }
}
