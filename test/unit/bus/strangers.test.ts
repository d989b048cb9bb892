/** What strangers on the channel can do to a bus, beside what test/integration/hub/carried.test.ts plays. */
import t, { type Test } from 'tap'
import { BrokerBus } from '../../../src/bus/broker-bus.js'
import type { Wake } from '../../../src/bus/bus.js'
import { MessageKey } from '../../../src/bus/message-key.js'
import { formatMessages } from '../../../src/bus/message-writer.js'
import type { StreamId } from '../../../src/log/event.js'
import { EvilBroker } from '../../harness/evil-broker.js'
import { randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'

const KEY = new MessageKey(['a secret of the bus with many characters'])
const HISTORY = '7300-5.1'

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
