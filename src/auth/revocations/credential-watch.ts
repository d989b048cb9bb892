/**
 * Watches the credentials of one long request: an upload, an export, a long poll. `signal` aborts when they are revoked,
 * expire, or no longer grant what the request does; its reason is the Problem that says which.
 */
import { endFor, expired } from '../credential-end.js'
import type { Granted } from '../grants/stream-grant.js'
import type { Principal } from '../principal.js'

/**
 * A credential that lasts longer is looked at again. Node keeps a list for each delay of timers that do not keep the process alive, until
 * that delay has passed, so each request would leave one for as long as its token lasts.
 */
const LONGEST_TIMER_MS = 60_000

export interface CredentialWatchOptions {
  readonly principal: Principal
  /** What the request does; default: nothing that grants decide on. */
  readonly granted?: Granted | undefined
  /** The principal with its current expiry and grants. @throws {Problem} if its credentials have been revoked. */
  current(principal: Principal): Principal
  onStopped(): void
}

export class CredentialWatch {
  readonly #options: CredentialWatchOptions
  readonly #over = new AbortController()
  readonly #startedAt = Date.now()
  readonly #unwatch: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: CredentialWatchOptions) {
    this.#options = options
    this.#unwatch = options.granted?.watch?.(() => this.check())
  }

  get principal(): Principal {
    return this.#options.principal
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** Checks the credentials now. Call this when they may have changed. */
  check(): void {
    const { principal, granted, current } = this.#options
    clearTimeout(this.#timer)
    try {
      const now = current(principal)
      const left = endFor(now, this.#startedAt) - Date.now()
      if (left <= 0) throw expired(now)
      granted?.assertHeldBy(now.grants)
      this.#timer = setTimeout(() => this.check(), Math.min(left, LONGEST_TIMER_MS))
      this.#timer.unref()
    } catch (reason) {
      this.#over.abort(reason)
      this.stop()
    }
  }

  /** Stops watching; stopping twice is fine. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#unwatch?.()
    this.#options.onStopped()
  }
}
