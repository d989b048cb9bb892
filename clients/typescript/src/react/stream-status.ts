/** How a stream is doing, as a component shows it. */
import type { SluiceError } from '../errors.js'
import type { Notice } from '../events.js'
import type { StreamState } from '../stream-options.js'

/**
 * `connecting` until the first connection is open; then `live`. `behind` while what is shown may be out of date: the gateway says that
 * events may be late, or events are missing and `reload` has not finished, or there is none. `reconnecting` after an interruption. `refused`: the stream has
 * ended for good, and `error` says why. `ended`: the stream has ended, as that of a job does.
 */
export type Status = 'connecting' | 'live' | 'behind' | 'reconnecting' | 'refused' | 'ended'

/** The status after each state and notice of a stream; `onChange` gets each status that differs from the one before. */
export class StatusOf {
  #status: Status = 'connecting'
  #wasOpen = false
  #isDegraded = false
  #isMissing = false

  constructor(readonly onChange: (status: Status, error?: SluiceError) => void) {}

  state(state: StreamState): void {
    if (state.name === 'open') {
      this.#wasOpen = true
      this.#open()
    } else if (state.name !== 'closed') this.#enter(this.#wasOpen ? 'reconnecting' : 'connecting')
    else if (state.error) this.#enter('refused', state.error)
    else if (state.reason === 'ended') this.#enter('ended')
  }

  notice(notice: Notice): void {
    if (notice.type !== 'server.state') return
    this.#isDegraded = notice.data.mode === 'degraded'
    this.#open()
  }

  /** Events are missing before the next one, or no longer, because the application has loaded its state anew. */
  missing(isMissing: boolean): void {
    this.#isMissing = isMissing
    this.#open()
  }

  /** The stream has failed in another way than the server's. */
  failed(error: SluiceError): void {
    this.#enter('refused', error)
  }

  #open(): void {
    this.#enter(this.#isDegraded || this.#isMissing ? 'behind' : 'live')
  }

  #enter(status: Status, error?: SluiceError): void {
    if (status === this.#status) return
    this.#status = status
    this.onChange(status, error)
  }
}
