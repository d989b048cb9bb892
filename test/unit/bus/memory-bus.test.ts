import t from 'tap'
import { MemoryBus, type MemoryChannel } from '../../../src/bus/memory-bus.js'
import type { StreamId } from '../../../src/log/event.js'
import { busContract } from '../../harness/bus-contract.js'

busContract('memory', async () => {
  const channel: MemoryChannel = new Set()
  return () => new MemoryBus(channel)
})

t.test('a bus with a channel of its own expects nothing, and says so', async t => {
  const bus = new MemoryBus()
  const wakes: unknown[] = []

  await bus.start(wake => wakes.push(wake))
  bus.wake([1] as StreamId[])

  t.equal(bus.status, 'off')
  t.strictSame(wakes, ['all'])
})
