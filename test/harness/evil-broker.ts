/**
 * A broker in this process that does to messages what a broker, a network and a stranger with access to the channel can do: it delays,
 * doubles, reorders, loses, repeats, cuts and changes them, and puts new ones together from others.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Broker, BrokerConnection, BrokerEvents } from '../../src/bus/broker.js'
import type { Random } from './random.js'

const REMEMBERED = 200

export class EvilBroker implements Broker {
  readonly kind = 'nats'
  /** While it is false, every message arrives once, unchanged. */
  isEvil = false
  readonly #random: Random
  readonly #readers = new Set<BrokerEvents>()
  readonly #seen: Uint8Array[] = []

  constructor(random: Random) {
    this.#random = random
  }

  async connect(_channel: string, events: BrokerEvents): Promise<BrokerConnection> {
    this.#readers.add(events)
    return {
      maxBytes: 1_000_000,
      publish: async messages => {
        for (const bytes of messages) this.#publish(bytes)
      },
      close: async () => {
        this.#readers.delete(events)
      },
    }
  }

  /** What a stranger sends. */
  inject(bytes: Uint8Array): void {
    for (const { onMessage } of this.#readers) onMessage(bytes)
  }

  /** All messages of before, in their order. */
  repeatAll(): void {
    for (const bytes of [...this.#seen]) this.inject(bytes)
  }

  /** A message from before, as it was, or changed, or mixed with another one. */
  injectSomething(): void {
    const { pick, integer } = this.#random
    const [one, other] = [this.#any(), this.#any()]
    const cut = integer(one.length + 1)
    const changed = Buffer.from(one)
    if (changed.length > 0) changed[integer(changed.length)] = integer(256)
    const line = Buffer.from(one.subarray(0, one.indexOf(10) + 1))
    this.inject(
      pick<Uint8Array>([
        one,
        one,
        changed,
        one.subarray(0, cut),
        one.subarray(cut),
        Buffer.concat([one.subarray(0, cut), other.subarray(integer(other.length + 1))]),
        Buffer.concat([line, other.subarray(other.indexOf(10) + 1)]),
        Buffer.concat([one, randomBytes(integer(70_000))]),
        randomBytes(integer(2_000)),
      ]),
    )
  }

  #any(): Uint8Array {
    return this.#seen[this.#random.integer(this.#seen.length)] ?? Buffer.of()
  }

  #publish(bytes: Uint8Array): void {
    this.#seen.push(bytes)
    if (this.#seen.length > REMEMBERED) this.#seen.shift()
    if (!this.isEvil) this.inject(bytes)
    else
      for (let copies = this.#random.pick([0, 1, 1, 1, 1, 1, 1, 2]); copies > 0; copies -= 1)
        void this.#later(bytes)
  }

  async #later(bytes: Uint8Array): Promise<void> {
    for (let turns = this.#random.integer(8); turns > 0; turns -= 1) await turn()
    this.inject(bytes)
  }
}
