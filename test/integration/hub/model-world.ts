/** Two gateways, a log that may lose its tail, a bus that delivers what and when a step says, and clients: what the steps of the model act on. */

import type { Committed } from '../../../src/log/committed.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { VirtualClock } from '../../harness/virtual-clock.js'
import { ModelClient } from './model-client.js'
import { type Message, ModelGateway } from './model-gateway.js'
import { ModelLog } from './model-log.js'

const RARE = EventFilter.ofTypes('rare')
const CLIENTS = 4
const TICK_MS = 500
/** The poll, a failed read and its repetition, and the pause of a stream fit into this. */
const HEAL_MS = 30_000
/** Data of an event that fills a socket alone. */
const HUGE = JSON.stringify({ x: 'x'.repeat(70_000) })

export class ModelWorld {
  readonly clock = new VirtualClock(1)
  readonly log = new ModelLog()
  readonly gateways: readonly ModelGateway[]
  readonly clients: readonly ModelClient[]
  readonly violations: string[] = []
  /** On their way, each to one gateway. */
  readonly wire: { readonly to: ModelGateway; readonly message: Message }[] = []
  /** Everything that was ever announced, for messages that come again. */
  readonly past: Committed[] = []
  wireHolds = false
  /** Whether a reader has ever seen an old server: then a reset may be wrong. */
  #isExact = true
  #rises = 0

  constructor() {
    this.log.change(0, Array(5).fill('thing.made'))
    this.gateways = [0, 1].map(
      index =>
        new ModelGateway(
          this.log,
          message => this.#send(index, message),
          committed => this.past.push(committed),
        ),
    )
    const note = (what: string) => this.violations.push(what)
    this.clients = Array.from({ length: CLIENTS }, (_, n) => {
      const filter = n % 2 === 1 ? RARE : undefined
      return new ModelClient({
        name: `client ${n}`,
        log: this.log,
        filter,
        note,
        isExact: () => this.#isExact,
      })
    })
  }

  async start(): Promise<void> {
    this.clock.install()
    for (const gateway of this.gateways) await gateway.start()
    await this.clock.settle()
  }

  gateway(n: number): ModelGateway {
    return this.gateways[n % this.gateways.length] as ModelGateway
  }

  client(n: number): ModelClient {
    return this.clients[n % this.clients.length] as ModelClient
  }

  /** A request to publish; its answer is checked when it comes. */
  publish(n: number, types: readonly string[]): void {
    const losses = this.#rises
    const { database } = this.gateway(n)
    const { failures } = database
    const events = types.map(type => ({
      type,
      data: type === 'huge' ? HUGE : `{"n":${this.log.known.size}}`,
    }))
    const input = events.map(({ type, data }) => ({ type, data: JSON.parse(data) }))
    const request = { workspace: 'acme', stream: 'feed', actor: 'ada', events: input }
    this.gateway(n)
      .publisher.publish(request as never)
      .then(
        receipt => {
          for (const { position, eventId } of receipt.events) {
            const isThere = this.log.has({ position, eventId }) || position <= this.log.base.position
            if (!isThere && losses === this.#rises)
              this.violations.push(`${formatEventId(position, eventId)} was acknowledged and is not stored`)
          }
        },
        error => {
          if (database.failures === failures)
            this.violations.push(`a publish failed, and nothing did: ${error}`)
        },
      )
  }

  /** Another program's transaction. @returns what it has committed. */
  commit(lost: number, types: readonly string[]): Committed {
    if (lost > 0) this.#rises += 1
    const committed = this.log.change(
      lost,
      types,
      types.map(type => (type === 'huge' ? HUGE : `{"n":${this.log.known.size}}`)),
    )
    this.past.push(committed)
    return committed
  }

  /** Readers of a gateway are led to the server from before the last loss. */
  leadBack(n: number): void {
    this.#isExact = false
    this.gateway(n).database.isBehind = true
  }

  /** Delivers one of the messages that are on their way. */
  deliver(index: number, keeps: boolean): void {
    const at = index % Math.max(1, this.wire.length)
    const message = this.wire[at]
    if (!keeps) this.wire.splice(at, 1)
    message?.to.receive(message.message)
  }

  releaseWire(): void {
    this.wireHolds = false
    while (this.wire.length > 0) this.deliver(0, false)
  }

  /** Time passes, with the hub's ticks. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= TICK_MS) {
      await this.clock.advance(Math.min(left, TICK_MS))
      for (const client of this.clients) client.tick(Date.now())
    }
  }

  /** Everything works again: each client that is open gets the rest, and those that left come back. */
  async heal(): Promise<void> {
    this.clock.costPerLook = 0
    for (const [n, gateway] of this.gateways.entries()) {
      gateway.pauseMs = 0
      gateway.database.isBehind = false
      gateway.database.release()
      await this.clock.settle()
      if (n === 0) this.releaseWire()
    }
    this.commit(0, ['thing.made'])
    const due = this.#unlike
    for (const [n, client] of this.clients.entries()) {
      client.drain()
      if (!client.isOpen && due.includes(client)) void client.connect(this.gateway(n), { at: 'beginning' })
    }
    const isHealed = () => due.every(client => client.isOpen && client.atHead)
    for (let passed = 0; passed < HEAL_MS && !isHealed(); passed += TICK_MS) await this.advance(TICK_MS)
    for (const name of this.log.unanswered) this.violations.push(`the model has no answer to ${name}`)
    for (const [n, client] of this.clients.entries()) {
      if (!due.includes(client)) continue
      if (!client.isOpen) this.violations.push(`client ${n} could not come back`)
      else if (!client.atHead)
        this.violations.push(`client ${n} is stuck: ${client.state}, and the head is ${this.log.headId}`)
      else client.finish()
    }
  }

  close(): void {
    this.clock.uninstall()
  }

  /** Without those that have never connected and would do as another one does that has the same filter and gateway. */
  get #unlike(): readonly ModelClient[] {
    const isLike = (one: number, other: number) => one % 2 === other % 2
    return this.clients.filter(
      ({ isNew }, n) => !isNew || !this.clients.slice(0, n).some((each, at) => each.isNew && isLike(at, n)),
    )
  }

  #send(from: number, message: Message): void {
    for (const [n, to] of this.gateways.entries()) if (n !== from) this.wire.push({ to, message })
    if (!this.wireHolds) queueMicrotask(() => this.wireHolds || this.releaseWire())
  }
}
