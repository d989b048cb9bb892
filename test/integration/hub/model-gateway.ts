/** A gateway of the model: the product's own parts, from the publisher to the subscriptions, on a log and a bus that the model has in hand. */
import type { Wake } from '../../../src/bus/bus.js'
import { MemoryBus, type MemoryChannel } from '../../../src/bus/memory-bus.js'
import { EventExchange } from '../../../src/hub/event-exchange.js'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pages } from '../../../src/hub/pages.js'
import { Starts } from '../../../src/hub/start.js'
import { Tailer } from '../../../src/hub/tailer.js'
import type { Committed } from '../../../src/log/committed.js'
import { Publisher } from '../../../src/log/publisher.js'
import { silent } from '../../harness/hub.js'
import { ModelDatabase } from './model-database.js'
import { type ModelLog, STREAM } from './model-log.js'

/** What the bus carries from a gateway to the others. */
export type Message = { readonly wake: Wake } | { readonly committed: readonly Committed[] }

export class ModelGateway {
  readonly database: ModelDatabase
  readonly tailer: Tailer
  readonly stream: HubStream
  readonly pages: Pages
  readonly starts: Starts
  readonly publisher: Publisher
  /** Milliseconds for which streams pause after each delivery. */
  pauseMs = 0
  readonly exchange: EventExchange
  readonly #bus: MemoryBus
  readonly #channel: MemoryChannel = new Set()

  constructor(log: ModelLog, send: (message: Message) => void, onAppend: (committed: Committed) => void) {
    this.database = new ModelDatabase(log, onAppend)
    const database = this.database.database(false)
    const readers = this.database.database(true)
    // The wire is the only other member of this bus's channel: it decides what becomes of each message.
    this.#channel.add({
      onWake: wake => send({ wake }),
      onCommitted: committed => send({ committed }),
    })
    this.#bus = new MemoryBus(this.#channel)
    const pauseRule = { pauseAfter: () => this.pauseMs }
    this.tailer = new Tailer({ database, bus: this.#bus, logger: silent, pauseRule })
    this.stream = new HubStream({
      id: STREAM,
      kind: 'feed',
      closed: false,
      head: log.head,
      pacing: this.tailer.pacing,
      tally: new HubTally(),
      compareHead: () => this.tailer.wake([STREAM]),
    })
    this.pages = new Pages(readers)
    this.starts = new Starts(readers, this.pages)
    this.exchange = new EventExchange(this.tailer, this.#bus)
    this.publisher = new Publisher({ database, onCommitted: committed => this.exchange.announce(committed) })
  }

  async start(): Promise<void> {
    await this.exchange.start()
    this.tailer.follow(this.stream)
    this.tailer.start()
  }

  /** A message arrives over the bus. */
  receive(message: Message): void {
    const [, own] = this.#channel
    if (!own) return
    if ('wake' in message) own.onWake(message.wake)
    else own.onCommitted(message.committed)
  }

  /** Its caches forget the past. */
  evict(): void {
    this.stream.recent.clear()
    this.pages.clear()
  }
}
