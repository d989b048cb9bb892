/** Renews the credentials of an open stream before they expire, so that it need not reconnect. */
import type { Gateway } from './requests.js'

/** The longest delay of a timer (2^31 ms). */
const MAX_TIMER_MS = 2_147_483_647

/**
 * States: idle → waiting for the time to renew (`start`) → waiting for the confirmation on the stream → waiting again. If the renewal
 * fails or is not confirmed, `onFailure` is called: the stream reconnects, with the new credentials. `stop` leads back to idle.
 */
export class Renewal {
  #timer: ReturnType<typeof setTimeout> | undefined
  #connection: string | undefined

  constructor(
    readonly gateway: Gateway,
    readonly onFailure: () => void,
  ) {}

  /** @param connection the name of the stream, from its first `server.state`. */
  start(connection: string): void {
    this.#connection = connection
    this.#schedule()
  }

  /** The stream has said `auth-renewed`. */
  confirm(): void {
    this.#schedule()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#connection = undefined
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    const at = this.gateway.source.renewAt()
    if (at === undefined || !this.gateway.source.canRefresh) return
    this.#timer = setTimeout(() => void this.#renew(), Math.min(Math.max(at - Date.now(), 0), MAX_TIMER_MS))
  }

  async #renew(): Promise<void> {
    const connection = this.#connection
    try {
      await this.gateway.source.refresh()
      // The stream may confirm before the answer is here.
      this.#timer = setTimeout(this.onFailure, this.gateway.options.confirm)
      await this.gateway.request('POST', `/api/streams/${connection}/token`, { isRepeatable: true })
    } catch {
      if (connection === this.#connection) this.onFailure()
    }
  }
}
