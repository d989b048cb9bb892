/** What strangers on the channel can do to a bus, beside what test/integration/hub/carried.test.ts plays. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { BrokerBus } from '../../../src/bus/broker-bus.js'
import type { Wake } from '../../../src/bus/bus.js'
import { MessageKey } from '../../../src/bus/message-key.js'
import { formatMessages } from '../../../src/bus/message-writer.js'
import type { Committed } from '../../../src/log/committed.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import { EvilBroker } from '../../harness/evil-broker.js'
import { randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'

const KEY = new MessageKey(['a secret of the bus with many characters'])
const HISTORY = '7300-5.1'
const NEXT_HISTORY = '7300-5.2'
const EVENT: StoredEvent = {
  position: 2 as Position,
  eventId: randomUUID(),
  at: new Date(),
  type: 'thing.made',
  data: '{}',
  attributes: null,
  traceparent: null,
}

t.test(
  'a flood of messages that are refused is one wake, with all of their streams, and one line in the log',
  async t => {
    const { broker, wakes, lines } = await start(t, KEY)
    const late = { self: 'late', history: HISTORY, key: KEY, at: Date.now() - 60_000 }

    for (let n = 1; n <= 500; n += 1) {
      const place = n % 2 ? { ...late, key: undefined } : late
      for (const bytes of formatMessages(place, { wake: [n] as StreamId[] })) broker.inject(bytes)
    }
    await until('the wake', () => wakes.length > 0)

    t.strictSame(wakes, [Array.from({ length: 500 }, (_, n) => n + 1)])
    t.equal(lines.length, 1)
    t.match(lines[0], /has no valid signature/)
  },
)

t.test('without a key wakes arrive at once, and no events are announced', async t => {
  const { broker, bus, wakes } = await start(t, undefined)
  const place = { self: 'other', history: HISTORY, key: undefined, at: Date.now() }

  for (const bytes of formatMessages(place, { wake: [7] as StreamId[] })) broker.inject(bytes)

  t.strictSame(wakes, [[7]])
  t.equal(bus.announce, undefined)
})

t.test('an answer that a server began to give before its connection was lost is not its history', async t => {
  const { broker, bus, committed, answers } = await startAsking(t)
  const formerAnswer = answers.length
  bus.historyMayDiffer()
  await until('it asks', () => answers.length > formerAnswer)
  bus.historyMayDiffer()
  answers[formerAnswer]?.(HISTORY)
  await until('it asks again', () => answers.length > formerAnswer + 1)

  const announced = { streamId: 7 as StreamId, way: 'http', previous: randomUUID(), events: [EVENT] } as const
  const send = (history: string) => {
    const place = { self: 'other', history, key: KEY, at: Date.now() + 1_000 }
    for (const bytes of formatMessages(place, { committed: [announced] })) broker.inject(bytes)
  }
  send(HISTORY)
  t.strictSame(committed, [], 'a process that still writes to the former server')

  answers[formerAnswer + 1]?.(NEXT_HISTORY)
  await until('events of the new history are taken', () => {
    send(NEXT_HISTORY)
    return committed.length > 0
  })
})

/** A bus whose database answers when the test lets it: after its first answer, which is HISTORY. */
async function startAsking(t: Test) {
  const broker = new EvilBroker(randomFrom(1))
  const answers: ((history: string) => void)[] = []
  const committed: Committed[] = []
  const place = async () => {
    const history = await new Promise<string>(resolve => {
      answers.push(resolve)
      if (answers.length === 1) resolve(HISTORY)
    })
    return { channel: 'c', history, clockAheadMs: 0 }
  }
  const bus = new BrokerBus({ broker, key: KEY, place })
  t.teardown(() => bus.close())
  await bus.start(
    () => {},
    events => committed.push(...events),
  )
  await until('it listens', () => bus.status === 'listening')
  return { broker, bus, committed, answers }
}

async function start(t: Test, key: MessageKey | undefined) {
  const broker = new EvilBroker(randomFrom(1))
  const wakes: Wake[] = []
  const lines: string[] = []
  const log = (_: object, text: string) => lines.push(text)
  const logger = { debug: log, info: log, warn: log, error: log }
  const place = async () => ({ channel: 'c', history: HISTORY, clockAheadMs: 0 })
  const bus = new BrokerBus({ broker, key, place, logger })
  t.teardown(() => bus.close())
  await bus.start(wake => wakes.push(wake))
  await until('it listens', () => bus.status === 'listening')
  wakes.length = 0
  return { broker, bus, wakes, lines }
}
