/**
 * An endpoint that this process holds, from its claim to the end of its lease:
 *
 *   opening ── its stream is followed ──▶ delivering ── an admin changes it, or its stream is deleted ──▶ closing ──▶ opening
 *   ▲     │                                   │
 *   └─────┘ no such stream, no database       └── given back, or lost ──▶ over
 *
 * Before it is opened again, everything that was noted of it is stored, and its row is read. Each opening is of one row, one
 * stream and one set of lanes.
 */
import { aborted, elapsed } from '../../process/deadline.js'
import type { ClaimedEndpoint } from './delivery-rows.js'
import type { DeliveryServices } from './delivery-services.js'
import { EndpointDelivery } from './endpoint-delivery.js'
import type { StreamWatches } from './stream-watches.js'

/** A stream that does not exist, or cannot be opened, is looked for again after this time. */
const OPEN_AGAIN_MS = 2_000

export interface HeldEndpointOptions {
  readonly services: DeliveryServices
  readonly watches: StreamWatches
  /** The endpoint as it is stored now, with all that was noted; undefined if it is no longer ours, or not active. */
  reread(held: ClaimedEndpoint): Promise<ClaimedEndpoint | undefined>
  /** The endpoint is no longer delivered here. */
  onGone(held: HeldEndpoint): void
}

export class HeldEndpoint {
  claimed: ClaimedEndpoint
  /** When the lease ends, in milliseconds of performance.now(). */
  leaseUntil: number
  readonly #options: HeldEndpointOptions
  readonly #over = new AbortController()
  #delivery: EndpointDelivery | undefined
  /** Aborts when it is to be opened again. */
  #opening = new AbortController()

  constructor(claimed: ClaimedEndpoint, leaseUntil: number, options: HeldEndpointOptions) {
    this.claimed = claimed
    this.leaseUntil = leaseUntil
    this.#options = options
    void this.#run()
  }

  /** Undefined while it is being opened. */
  get delivery(): EndpointDelivery | undefined {
    return this.#delivery
  }

  /** Whether it is being given back, or is lost. */
  get isEnding(): boolean {
    return this.#over.signal.aborted
  }

  get isIdle(): boolean {
    return !this.#delivery || this.#delivery.underWay + this.#delivery.waiting === 0
  }

  /** Call this after a change: deliveries under way are finished, then the endpoint is read again and continues. */
  reopen(): void {
    this.#opening.abort()
  }

  /** Begins no further delivery. Resolves when none is under way. */
  async close(): Promise<void> {
    const delivery = this.#delivery
    this.#end()
    await delivery?.close()
  }

  /** The lease is lost: requests under way are aborted. */
  lose(): void {
    this.#delivery?.lose()
    this.#end()
  }

  #end(): void {
    this.#over.abort()
    this.#opening.abort()
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { services, onGone } = this.#options
    while (!this.isEnding) {
      try {
        // Read again after a failed read too: `claimed` is still older than what was delivered since.
        if (this.#opening.signal.aborted && !(await this.#reread())) return onGone(this)
        await this.#deliver()
      } catch (error) {
        services.unreadable(error)
        await elapsed(OPEN_AGAIN_MS, this.#over.signal, { ref: false })
      }
    }
  }

  async #reread(): Promise<boolean> {
    const opening = new AbortController()
    this.#opening = opening
    const claimed = await this.#options.reread(this.claimed).catch(error => {
      opening.abort()
      throw error
    })
    if (claimed) this.claimed = claimed
    // The endpoint may have ended meanwhile.
    if (this.isEnding) opening.abort()
    return claimed !== undefined
  }

  /** Resolves when the endpoint is to be opened again, or is over. */
  async #deliver(): Promise<void> {
    const { services, watches } = this.#options
    const { workspace, stream: name, streamId } = this.claimed.endpoint
    const { signal } = this.#opening
    const followed = await watches.follow(workspace, name, () => ({
      wake: () => this.#delivery?.wake(),
      forget: () => this.#delivery?.forget(),
      onDeleted: () => this.reopen(),
    }))
    if (!followed) {
      await elapsed(OPEN_AGAIN_MS, signal, { ref: false })
      return
    }
    const { stream, leave } = followed
    try {
      // Otherwise the stream was deleted, and another one has its name.
      const isSame = stream.id === streamId
      const loss = isSame
        ? undefined
        : ({ reason: 'deleted', bounds: await services.starts.bounds(stream) } as const)
      if (stream.deleted) await elapsed(OPEN_AGAIN_MS, signal, { ref: false })
      if (signal.aborted || stream.deleted) return
      const delivery = new EndpointDelivery(this.claimed, stream, services, () => this.leaseUntil, loss)
      this.#delivery = delivery
      delivery.wake()
      await aborted(signal)
      await delivery.close()
    } finally {
      this.#delivery = undefined
      leave()
    }
  }
}
