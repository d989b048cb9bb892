/**
 * Gateways on one log that loses its tail, connected by a broker that does its worst: one with a client, whose bytes are compared with
 * the log, and the senders of messages.
 */
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { BrokerBus } from '../../../src/bus/broker-bus.js'
import { MessageKey } from '../../../src/bus/message-key.js'
import { CarriedEvents } from '../../../src/hub/carried-events.js'
import { EarlyEvents } from '../../../src/hub/early-events.js'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pages } from '../../../src/hub/pages.js'
import { endlessPermit } from '../../../src/hub/permit.js'
import { Starts } from '../../../src/hub/start.js'
import { Subscription } from '../../../src/hub/subscription.js'
import { Tailer } from '../../../src/hub/tailer.js'
import type { Committed } from '../../../src/log/committed.js'
import { sse } from '../../../src/sse/encoding.js'
import { type Response, Sink } from '../../../src/sse/sink.js'
import { EvilBroker } from '../../harness/evil-broker.js'
import { observed, silent } from '../../harness/hub.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'
import { ModelLog, STREAM } from './model-log.js'

const STEPS = 120
const KEY = new MessageKey(['a secret of the bus with many characters'])
const STRANGE = new MessageKey(['another secret of the bus, just as long'])
const TYPES: [string, ...string[]] = ['thing.made', 'large', 'rare']

/** A gateway with a client, processes that write, and others whose messages must never be taken for events. */
export class ModelCluster {
  readonly log = new ModelLog()
  readonly random: Random
  readonly broker: EvilBroker
  readonly tailer: Tailer
  readonly reader: BrokerBus
  /** Still writes to a server that was replaced. */
  readonly zombie: BrokerBus
  /** What the client has received. */
  received = ''
  reads = 0
  fails = false
  #timeline = 1
  readonly #early: EarlyEvents
  readonly #writers: readonly BrokerBus[]
  /** With another key, of another database, and with the clock of another day. */
  readonly #liars: readonly BrokerBus[]
  readonly #stream: HubStream
  readonly #client: Subscription

  private constructor(seed: number) {
    this.random = randomFrom(seed)
    this.broker = new EvilBroker(this.random)
    this.log.change(0, Array(5).fill('thing.made'))
    const database = observed(this.log.database(this.random), name => {
      if (name === 'sluice-read-tails') this.reads += 1
      if (this.fails) throw new Error('The log cannot be read.')
    })
    this.tailer = new Tailer({ database, bus: { status: 'listening' }, logger: silent })
    this.#stream = new HubStream({
      id: STREAM,
      kind: 'feed',
      closed: false,
      head: this.log.head,
      pacing: this.tailer.pacing,
      tally: new HubTally(),
      compareHead: () => this.tailer.wake([STREAM]),
    })
    const here = () => `7300-5.${this.#timeline}`
    this.reader = this.#bus(KEY, here)
    this.#early = new EarlyEvents({ tailer: this.tailer, bus: this.reader })
    this.#writers = [0, 1, 2].map(() => this.#bus(KEY, here))
    this.zombie = this.#bus(KEY, () => '7300-5.1')
    this.#liars = [
      this.#bus(STRANGE, here),
      this.#bus(KEY, () => '7301-5.1'),
      this.#bus(KEY, here, -10_000),
      this.#bus(KEY, here, 10_000),
    ]
    const starts = new Starts(database, new Pages(database))
    this.#client = new Subscription({
      stream: this.#stream,
      starts,
      start: { cursor: this.log.base },
      sink: this.#sink(),
      encoding: sse,
      filter: undefined,
      logger: silent,
      permit: endlessPermit(),
      window: undefined,
      tooOldAt: Number.POSITIVE_INFINITY,
      heartbeatMs: 600_000,
      broughtId: undefined,
      client: undefined,
      openedAt: 0,
      onClosed: () => {},
    })
  }

  /** The caller closes it: a test that starts thousands of them would keep all of them until its end. */
  static async start(seed: number): Promise<ModelCluster> {
    const cluster = new ModelCluster(seed)
    const { tailer, reader } = cluster
    const carried = new CarriedEvents(tailer, cluster.#early)
    await reader.start(
      wake => tailer.wake(wake),
      committed => carried.take(committed),
    )
    const others = [...cluster.#writers, ...cluster.#liars, cluster.zombie]
    await Promise.all(others.map(bus => bus.start(() => {})))
    tailer.follow(cluster.#stream)
    cluster.#client.open('normal', [])
    await until('all listen', () => [reader, ...others].every(({ status }) => status === 'listening'))
    await until('the client is live', () => cluster.isAtHead && tailer.tally.waiting.length === 0)
    return cluster
  }

  get isAtHead(): boolean {
    return this.#client.cursor.eventId === this.log.head.eventId && this.received.includes(this.log.headId)
  }

  /** One of the writers announces what it has committed. */
  announce(committed: Committed): void {
    this.random.pick(this.#writers as [BrokerBus]).announce?.([committed])
  }

  /** A standby is promoted: the writers know at once. */
  failOver(): void {
    this.#timeline += 1
    for (const bus of this.#writers) bus.historyMayDiffer()
  }

  async play(): Promise<void> {
    const { log, random, broker, tailer, reader } = this
    const past: Committed[] = []
    broker.isEvil = true
    for (let step = 0; step < STEPS; step += 1) {
      const lost = random.integer(10) === 0 ? random.integer(5) : 0
      const types = Array.from({ length: random.pick([1, 1, 2, 5, 40]) }, () =>
        random.integer(30) ? 'thing.made' : random.pick(TYPES),
      )
      const committed = log.change(lost, types)
      // Half of the losses are of a server that starts again, at the same address: nobody knows of them but the log.
      if (lost > 0 && random.integer(2) === 0) {
        this.failOver()
        reader.historyMayDiffer()
        tailer.wake('all')
      }
      if (random.integer(6) > 0)
        this.announce(random.integer(8) ? committed : { ...committed, previous: null })
      past.push(committed)
      const old = past[random.integer(past.length)]
      if (old && random.integer(4) === 0) random.pick([this.zombie, ...this.#writers]).announce?.([old])
      if (random.integer(3) === 0) random.pick(this.#liars as [BrokerBus]).announce?.([lieOf(committed)])
      if (random.integer(3) === 0) broker.injectSomething()
      if (random.integer(50) === 0) log.retain(random.integer(log.events.length + 1))
      for (let turns = random.integer(8); turns > 0; turns -= 1) await turn()
    }
    broker.isEvil = false
    this.announce(log.change(0, ['thing.made']))
    tailer.wake([STREAM])
    await until('the head', () => this.isAtHead)
  }

  /** What is wrong with the bytes that the client has received. */
  check(): string[] {
    const { log } = this
    const wrong: string[] = []
    let last: string | undefined = log.known.values().next().value?.eventId
    for (const block of this.received.split('\n\n')) {
      const id = /^id: (.*)$/m.exec(block)?.[1]
      if (id === undefined) continue
      const place = log.known.get(id)
      const name = /^event: (.*)$/m.exec(block)?.[1] ?? ''
      if (!place) wrong.push(`${id} was never stored`)
      else if (TYPES.includes(name)) {
        if (place.before?.eventId !== last) wrong.push(`${id} does not continue the event before it`)
        if (!place.event || `${block}\n\n` !== sse.event(place.event).toString())
          wrong.push(`${id} has other bytes`)
      } else if (name !== 'reset' && place.eventId !== last) wrong.push(`${name} moves the cursor to ${id}`)
      last = place?.eventId
    }
    if (last !== log.head.eventId) wrong.push('it ends before the head')
    return wrong
  }

  async close(): Promise<void> {
    const { reader, zombie, tailer } = this
    this.#early.close()
    await Promise.all([reader, zombie, ...this.#writers, ...this.#liars].map(bus => bus.close()))
    await tailer.close()
  }

  #bus(key: MessageKey, history: () => string, clockAheadMs = 0): BrokerBus {
    const place = async () => ({ channel: 'c', history: history(), clockAheadMs })
    return new BrokerBus({ broker: this.broker, key, place })
  }

  /** A client that does not always read at once. */
  #sink(): Sink {
    const write = async (bytes: Buffer, _: unknown, done: () => void) => {
      this.received += bytes.toString()
      for (let turns = this.random.integer(4); turns > 0; turns -= 1) await turn()
      done()
    }
    return new Sink(new Writable({ write }) as unknown as Response)
  }
}

/** The same places with other data. */
function lieOf(committed: Committed): Committed {
  return { ...committed, events: committed.events.map(event => ({ ...event, data: '{"lie":true}' })) }
}
