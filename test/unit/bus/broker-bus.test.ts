/** The bus on a broker that does what real ones cannot be made to do: it takes nothing for as long as the test wants. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Broker, BrokerEvents } from '../../../src/bus/broker.js'
import { BrokerBus, type BrokerPlace } from '../../../src/bus/broker-bus.js'
import type { Wake } from '../../../src/bus/bus.js'
import { MessageKey } from '../../../src/bus/message-key.js'
import type { Committed } from '../../../src/log/committed.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { until } from '../../harness/until.js'

const PLACE: BrokerPlace = { channel: 'one', history: '7300-5.1', clockAheadMs: 0 }
const key = new MessageKey(['a secret of the bus with many characters'])
const MIB = 1024 * 1024

/** Brings each message to all connections, in order; between `hold` and `release` it takes none. */
class StandInBroker implements Broker {
  readonly kind = 'nats'
  readonly channels: string[] = []
  /** Whether it takes messages and brings none. */
  isDeaf = false
  held = 0
  bytes = 0
  readonly #listeners = new Set<BrokerEvents>()
  #gate: Promise<void> = Promise.resolve()
  release = () => {}

  hold(): void {
    this.#gate = new Promise(resolve => {
      this.release = resolve
    })
  }

  async connect(channel: string, events: BrokerEvents) {
    this.channels.push(channel)
    this.#listeners.add(events)
    return {
      maxBytes: Number.POSITIVE_INFINITY,
      publish: async (messages: readonly Uint8Array[]) => {
        this.held += 1
        await this.#gate
        this.held -= 1
        for (const message of messages) {
          this.bytes += message.length
          if (!this.isDeaf) for (const { onMessage } of this.#listeners) onMessage(message)
        }
      },
      close: async () => {
        this.#listeners.delete(events)
      },
    }
  }
}

t.test('what waits for a broker that takes nothing is bounded, and nothing is forgotten', async t => {
  const broker = new StandInBroker()
  const { bus } = await listening(t, broker, async () => PLACE)
  const { bus: other, wakes, took } = await listening(t, broker, async () => PLACE)
  broker.hold()
  bus.wake([1] as StreamId[])
  await until('the first is on its way', () => broker.held > 0)

  for (let stream = 2; stream <= 200_000; stream += 1) bus.wake([stream] as StreamId[])
  for (let stream = 300_001; stream <= 300_400; stream += 1) bus.announce([committed(stream, 50_000)])
  const before = broker.bytes
  broker.release()

  await until('all wakes', () => wakes.filter(wake => wake === 'all').length > 1)
  await until('it is quiet', () => broker.held === 0)
  t.ok(broker.bytes - before < 6 * MIB, `${broker.bytes - before} bytes, and not 20 MB`)
  t.ok(took() > 0, 'events within the bound are carried')
  t.equal(other.status, 'listening')
})

t.test(
  'a database that has moved to another server has another channel, and everything counts as woken',
  async t => {
    const broker = new StandInBroker()
    let place = PLACE
    const { wakes } = await listening(t, broker, async () => place, { canaryEveryMs: 1 })

    place = { ...PLACE, channel: 'two', history: '7301-5.1' }

    await until('it has another channel', () => broker.channels.at(-1) === 'two')
    await until('everything is woken', () => wakes.filter(wake => wake === 'all').length > 1)
    t.strictSame([...new Set(broker.channels)], ['one', 'two'])
  },
)

t.test('a database that does not answer keeps no bus from the channel that it has', async t => {
  const broker = new StandInBroker()
  let asked = 0
  const place = async () => {
    asked += 1
    if (asked > 1) throw new Error('away')
    return PLACE
  }
  const { bus } = await listening(t, broker, place, { canaryEveryMs: 1 })

  await until('it was asked again', () => asked > 3)

  t.equal(bus.status, 'listening')
  t.strictSame(broker.channels, ['one'])
})

t.test('a broker that takes messages and brings none is found', async t => {
  const broker = new StandInBroker()
  const times = { canaryEveryMs: 1, canaryDeadlineMs: 200 }
  const { bus } = await listening(t, broker, async () => PLACE, times)

  broker.isDeaf = true
  await until('it is down', () => bus.status === 'down')
  broker.isDeaf = false

  await until('it listens again', () => bus.status === 'listening')
})

t.test('closing does not wait for a database that does not answer', async t => {
  const bus = new BrokerBus({ broker: new StandInBroker(), key, place: () => new Promise(() => {}) })
  await bus.start(() => t.fail('nothing can come'))

  await bus.close()

  t.equal(bus.status, 'down')
})

async function listening(
  t: Test,
  broker: Broker,
  place: () => Promise<BrokerPlace>,
  { canaryEveryMs = 60_000, canaryDeadlineMs = 60_000 } = {},
) {
  const bus = new BrokerBus({ broker, key, place, canaryEveryMs, canaryDeadlineMs })
  t.teardown(() => bus.close())
  const wakes: Wake[] = []
  let events = 0
  await bus.start(
    wake => wakes.push(wake),
    committed => {
      events += committed.length
    },
  )
  await until('it listens', () => bus.status === 'listening')
  return { bus, wakes, took: () => events }
}

function committed(stream: number, size: number): Committed {
  const event = {
    position: 1 as Position,
    eventId: randomUUID(),
    at: new Date(),
    type: 'thing.made',
    data: JSON.stringify({ text: 'x'.repeat(size) }),
  }
  return { streamId: stream as StreamId, way: 'http', previous: randomUUID(), events: [event] }
}
