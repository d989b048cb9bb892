import t from 'tap'
import { MemoryBus, type MemoryChannel } from '../../../src/bus/memory-bus.js'
import { busContract } from '../../../src/bus/testing/bus-contract.js'
import type { StreamId } from '../../../src/log/event.js'
import { patient } from '../../harness/patience.js'

const contract = busContract(
  async () => {
    const channel: MemoryChannel = new Set()
    return () => new MemoryBus(channel)
  },
  { patienceMs: () => patient(15_000) },
)
for (const { title, run } of contract) t.test(`memory: ${title}`, t => t.resolves(run(t)))

t.test('a bus with a channel of its own is off', async t => {
  const bus = new MemoryBus()
  const wakes: unknown[] = []

  await bus.start(wake => wakes.push(wake))
  bus.wake([1] as StreamId[])

  t.equal(bus.status, 'off')
  t.strictSame(wakes, ['all'])
})
