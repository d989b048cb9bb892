import t from 'tap'
import type { ConsumerId } from '../../../../src/consumers/consumer.js'
import { FairSlots } from '../../../../src/webhooks/delivery/fair-slots.js'
import { Turns } from '../../../../src/webhooks/delivery/turns.js'

const freed: (() => void)[] = []

t.test('an endpoint with many waiting delays one with few by one turn', async t => {
  const slots = new FairSlots(2)
  const order: string[] = []
  for (let n = 0; n < 1_000; n += 1) take(slots, order, 'acme', 'million')
  for (let n = 0; n < 3; n += 1) take(slots, order, 'acme', 'three')

  await freeAll(order)

  t.equal(order.length, 1_003)
  t.strictSame(
    order.map((endpoint, at) => (endpoint === 'three' ? at : -1)).filter(at => at >= 0),
    [2, 4, 6],
  )
})

t.test('a workspace with many endpoints leaves a part of the slots to others', async t => {
  const slots = new FairSlots(8, 6)
  const order: string[] = []
  for (let n = 0; n < 100; n += 1) take(slots, order, 'busy', `busy ${n}`)
  await turn()
  const busy = slots.used
  for (let n = 0; n < 2; n += 1) take(slots, order, 'calm', `calm ${n}`)
  await turn()

  t.equal(busy, 6)
  t.equal(slots.used, 8)
  t.strictSame(order.slice(6), ['calm 0', 'calm 1'])
})

t.test('a waiter that gives up gets no slot, and nothing of it is left', async t => {
  const slots = new FairSlots(1)
  const signals = [new AbortController(), new AbortController()]
  const first = await slots.take({ workspace: 'acme', endpoint: 'a' }, new AbortController().signal)
  const waiters = signals.map(({ signal }) => slots.take({ workspace: 'acme', endpoint: 'b' }, signal))
  signals[0]?.abort()

  t.equal(await waiters[0], undefined)
  t.equal(slots.waiting, 1)
  first?.()
  first?.()
  const second = await waiters[1]
  t.equal(slots.used, 1)
  second?.()
  t.match(slots, { used: 0, waiting: 0 })
})

t.test('a workspace with slow endpoints on a host leaves a part of its turns to others', async t => {
  const turns = new Turns({ concurrency: 100, perOrigin: 8 })
  const url = 'https://hooks.example.com/'
  const taken: string[] = []
  const take = (id: string, workspace: string) =>
    turns
      .take({ id: id as ConsumerId, workspace, url }, new AbortController().signal)
      .then(() => taken.push(id))
  for (let n = 0; n < 20; n += 1) void take(`slow ${n}`, 'busy')
  await turn()

  void take('calm', 'calm')
  await turn()

  t.equal(taken.length, 7)
  t.equal(taken.at(-1), 'calm')
})

function take(slots: FairSlots, order: string[], workspace: string, endpoint: string): void {
  void slots.take({ workspace, endpoint }, new AbortController().signal).then(free => {
    order.push(endpoint)
    if (free) freed.push(free)
  })
}

/** One after the other, oldest first. */
async function freeAll(order: string[]): Promise<void> {
  for (let seen = -1; seen !== order.length || freed.length > 0; await turn()) {
    seen = order.length
    freed.shift()?.()
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
