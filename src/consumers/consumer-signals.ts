/**
 * Signals about consumers within this process: acknowledgements, and that a holder has lost its consumer. They only save
 * time: the holder's process finds the same in the rows, whichever process the request came to.
 */
import type { Head } from '../log/log.js'
import type { ConsumerId, Epoch, LostReason } from './consumer.js'

export type ConsumerSignal =
  | { readonly kind: 'acknowledged'; readonly epoch: Epoch; readonly cursor: Head }
  | { readonly kind: 'lost'; readonly reason: LostReason }

export type SignalListener = (signal: ConsumerSignal) => void

export class ConsumerSignals {
  readonly #listeners = new Map<ConsumerId, Set<SignalListener>>()

  /** @param listener must not throw. @returns ends the subscription. */
  on(id: ConsumerId, listener: SignalListener): () => void {
    const listeners = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id)
    }
  }

  /** After the COMMIT. */
  send(id: ConsumerId, signal: ConsumerSignal): void {
    for (const listener of [...(this.#listeners.get(id) ?? [])]) listener(signal)
  }
}
