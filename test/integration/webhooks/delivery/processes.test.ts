/** Several processes: leases, fencing, shares, crashes, clean stops. */
import t from 'tap'
import { until } from '../../../harness/until.js'
import { AlarmClock } from './alarm-clock.js'
import { type Deliveries, type Process, startDeliveries } from './deliveries.js'
import { OK, type SendResult } from './scripted-sender.js'

/** A machine that stands still for some seconds ends no lease of this length before its holder has sent everything. */
const LEASE_MS = 6_000

t.test(
  'processes share the endpoints evenly, also with one that starts later and after one that stops',
  async t => {
    const deliveries = await startDeliveries(t)
    const first = deliveries.start()
    const ids = await createAll(deliveries, 7)
    await until('the first process holds all', () => first.deliverer.endpoints === 7)

    const second = deliveries.start()
    await until(
      'each has its share',
      () => [3, 4].includes(second.deliverer.endpoints) && total(first, second) === 7,
    )
    await deliveries.publish(3)
    for (const id of ids) await deliveries.settled(id, 3)
    await first.deliverer.close()
    await until('the second process holds all', () => second.deliverer.endpoints === 7)
    await deliveries.publish(1)
    for (const id of ids) await deliveries.settled(id, 4)

    const got = ids.map(id => [...first.sender.sentTo(id), ...second.sender.sentTo(id)])
    t.strictSame(got, Array(7).fill(['1', '2', '3', '4']), 'a stop and a change of shares send nothing twice')
  },
)

t.test(
  'after a crash between an answer and its record another process sends the event again, with its webhook-id',
  async t => {
    const deliveries = await startDeliveries(t)
    const first = deliveries.start({ leaseMs: LEASE_MS })
    const id = await deliveries.create()
    await deliveries.publish(2)
    await deliveries.settled(id, 2)

    // Not before: on a busy machine its lease might end before all three are published.
    first.sender.script = ({ message }) => {
      if (message.data === '{"n":3}') first.crash()
      return OK
    }
    await deliveries.publish(3)
    await until('it sends on until its lease ends', () => first.sender.sentTo(id).length === 5)
    const second = deliveries.start({ leaseMs: LEASE_MS })
    await deliveries.settled(id, 5)
    const sentByFirst = first.sender.requests.length
    await deliveries.publish(1)
    await deliveries.settled(id, 6)

    t.strictSame(first.sender.sentTo(id), ['1', '2', '3', '4', '5'])
    t.strictSame(second.sender.sentTo(id), ['3', '4', '5', '6'])
    t.equal(first.sender.requests.length, sentByFirst, 'a process whose lease is over sends nothing')
    const idsOf = ({ sender }: Process) =>
      new Map(sender.requests.map(({ message }) => [message.id, message.eventId]))
    const again = [...idsOf(second)].filter(([event]) => idsOf(first).has(event))
    t.equal(again.length, 3)
    t.ok(again.every(([event, uuid]) => idsOf(first).get(event) === uuid))
  },
)

t.test('a process that cannot renew cuts what is under way, and what it would record is refused', async t => {
  const deliveries = await startDeliveries(t)
  const first = deliveries.start({ leaseMs: 1_500 })
  const never = new Promise<SendResult>(() => {})
  first.sender.script = () => never
  const id = await deliveries.create()
  await deliveries.publish(1)
  await until('the request', () => first.sender.underWay === 1)

  first.crash()
  const second = deliveries.start({ leaseMs: 1_500 })
  await deliveries.settled(id, 1)

  t.equal(first.sender.underWay, 0)
  t.equal(first.deliverer.endpoints, 0)
  t.strictSame(second.sender.sentTo(id), ['1'])
  t.match(await deliveries.attempts(id), [{ n: 1, outcome: 'delivered' }], 'the cut request is no attempt')
})

t.test(
  'what was noted while the database was away is stored when it is back, if nobody else has claimed',
  async t => {
    const deliveries = await startDeliveries(t)
    const first = deliveries.start({ leaseMs: LEASE_MS })
    const id = await deliveries.create()
    await deliveries.publish(1)
    await deliveries.settled(id, 1)

    first.sender.script = ({ message }) => {
      if (message.data === '{"n":2}') first.loseDatabase()
      return OK
    }
    await deliveries.publish(3)
    await until('it sends on', () => first.sender.requests.length === 4)
    await until('its lease is over', () => first.deliverer.endpoints === 0)
    first.regainDatabase()
    await deliveries.settled(id, 4)
    await deliveries.publish(1)
    await deliveries.settled(id, 5)

    t.strictSame(first.sender.sentTo(id), ['1', '2', '3', '4', '5'])
  },
)

t.test('a stop waits for what is under way, begins nothing, and ends the leases at once', async t => {
  const deliveries = await startDeliveries(t)
  const first = deliveries.start({ leaseMs: 60_000 })
  let finish = () => {}
  first.sender.script = () => new Promise(resolve => (finish = () => resolve(OK)))
  const id = await deliveries.create()
  await deliveries.publish(2)
  await until('the request', () => first.sender.underWay === 1)

  const closed = first.deliverer.close(20_000)
  finish()
  await closed
  const { cursor, node } = await deliveries.state(id)
  const second = deliveries.start({ leaseMs: 60_000 })
  await deliveries.settled(id, 2)

  t.match({ cursor, node }, { cursor: 1, node: null })
  t.strictSame(first.sender.sentTo(id), ['1'])
  t.strictSame(second.sender.sentTo(id), ['2'])
})

t.test('a stop cuts requests that take too long; the next process sends them again', async t => {
  const deliveries = await startDeliveries(t)
  const first = deliveries.start({ leaseMs: 60_000 })
  first.sender.script = () => new Promise(() => {})
  const id = await deliveries.create()
  await deliveries.publish(1)
  await until('the request', () => first.sender.underWay === 1)

  await first.deliverer.close(10)
  const second = deliveries.start({ leaseMs: 60_000 })
  await deliveries.settled(id, 1)

  t.strictSame(second.sender.sentTo(id), ['1'])
})

t.test('the next try is stored: another process makes it after a crash', async t => {
  const deliveries = await startDeliveries(t)
  // By its clock the time of the next try never comes.
  const first = deliveries.start({ leaseMs: 1_000, pausesMs: [1_500, 60_000], clock: new AlarmClock() })
  first.sender.script = () => ({ kind: 'failed', error: 'connect', detail: 'refused', milliseconds: 1 })
  const id = await deliveries.create()
  await deliveries.publish(2)
  await until('the next try is stored', async () => (await deliveries.waiting(id)).length === 1)

  first.crash()
  const second = deliveries.start({ leaseMs: 1_000, pausesMs: [1_500, 60_000] })
  await deliveries.settled(id, 2)

  t.strictSame(second.sender.sentTo(id), ['1#2', '2'])
})

async function createAll(deliveries: Deliveries, count: number) {
  const ids = []
  for (let n = 0; n < count; n += 1) ids.push(await deliveries.create({ url: `https://h${n}.example.com/` }))
  return ids
}

function total(...processes: Process[]): number {
  return processes.reduce((sum, { deliverer }) => sum + deliverer.endpoints, 0)
}
