/** What else an endpoint gets: replays, single events again, resets; and events that were changed meanwhile. */
import t from 'tap'
import { inWorkspace } from '../../../../src/database/workspace.js'
import { until } from '../../../harness/until.js'
import { AlarmClock } from './alarm-clock.js'
import { startDeliveries } from './deliveries.js'
import { removeThrough } from './retention.js'
import { answer, OK, type SendResult } from './scripted-sender.js'

t.test('a replay sends a range again beside the live events, and ends', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(6)
  await deliveries.settled(id, 6)

  await deliveries.replay(id, 1, 4)
  await until('its end', async () => (await deliveries.replayState(id)) === 'completed')
  await deliveries.publish(1)
  await deliveries.settled(id, 7)

  t.strictSame(sender.sentTo(id), ['1', '2', '3', '4', '5', '6', '2', '3', '4', '7'])
})

t.test('a replay that fails does not hold the live events, and its last try makes a dead letter', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  const { sender } = deliveries.start({ clock, pausesMs: [1_000] })
  sender.script = ({ webhook, message }) =>
    sender.sentTo(webhook).length > 2 && message.data === '{"n":1}' ? answer(500) : OK
  const id = await deliveries.create()
  await deliveries.publish(2)
  await deliveries.settled(id, 2)

  await deliveries.replay(id, 0, 1)
  await until('the alarm', () => clock.next !== undefined)
  await deliveries.publish(1)
  await deliveries.settled(id, 3)
  clock.forward(1_200)
  await until('its end', async () => (await deliveries.replayState(id)) === 'completed')

  t.match(await deliveries.state(id), { state: 'active' })
  t.match(await deliveries.deadLetters(id), [{ position: 1, attempts: 2 }])
})

t.test('one delivery is sent again when an admin asks for it', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(3)
  await deliveries.settled(id, 3)

  const [, second] = sender.requests
  await inWorkspace(deliveries.pool, 'acme', client =>
    client.query('select sluice.retry_webhook_delivery($1, $2, 2, $3)', [
      'acme',
      id,
      second?.message.eventId,
    ]),
  )
  await until('it is sent', () => sender.requests.length === 4)
  await until('nothing waits', async () => (await deliveries.waiting(id)).length === 0)

  t.strictSame(sender.sentTo(id), ['1', '2', '3', '2'])
  t.match(await deliveries.state(id), { cursor: 3 })
})

t.test('when retention has passed the cursor, the receiver gets a reset before the next event', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  const id = await deliveries.create()
  await deliveries.publish(5)
  await removeThrough(deliveries, 3)
  const { sender } = deliveries.start({ clock, random: () => 0.5 })
  let failures = 0
  sender.script = ({ message }) => (message.type === 'sluice.reset' && failures++ < 1 ? answer(500) : OK)

  await until('the failure', () => failures === 1 && clock.next !== undefined)
  t.match(await deliveries.state(id), { cursor: 0 }, 'the cursor stays until the receiver has the reset')
  clock.forward(5_000)
  await deliveries.settled(id, 5)

  t.strictSame(sender.sentTo(id).slice(0, 4), ['sluice.reset', 'sluice.reset#2', '4', '5'])
  const [first, again] = sender.requests
  t.match(JSON.parse(first?.message.data ?? ''), {
    reason: 'retention',
    after: /^0/,
    earliest: /^3\./,
    head: /^5\./,
  })
  t.equal(first?.message.eventId, again?.message.eventId)
})

t.test('a reset goes on in another process where it was, with the same webhook-id', async t => {
  const deliveries = await startDeliveries(t)
  const id = await deliveries.create({ order: 'parallel' })
  await deliveries.publish(5)
  await removeThrough(deliveries, 2)
  const pausesMs = [1, 1_500, 1]
  const clock = new AlarmClock()
  const first = deliveries.start({ leaseMs: 60_000, pausesMs, clock })
  first.sender.script = () => answer(500)
  await until('a failure', () => clock.next !== undefined)
  clock.forward(clock.next ?? 0)
  await until('two failures', async () => (await deliveries.waiting(id))[0]?.attempts === 2)
  await first.deliverer.close()
  const second = deliveries.start({ pausesMs })
  await deliveries.settled(id, 5)

  const resets = [...first.sender.requests, ...second.sender.requests].filter(
    ({ message }) => message.type === 'sluice.reset',
  )
  t.equal(new Set(resets.map(({ message }) => message.eventId)).size, 1)
  t.ok((second.sender.requests[0]?.attempt ?? 0) > 2)
  t.strictSame(second.sender.sentTo(id).slice(1, 4), ['3', '4', '5'])
})

t.test('when the log has lost its tail, the receiver gets a reset and then the new history', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(4)
  await deliveries.settled(id, 4)

  await deliveries.loseTail(2)
  await until('the reset', () => sender.requests.some(({ message }) => message.type === 'sluice.reset'))
  await deliveries.publish(1)
  await until('the next event', () => sender.sentTo(id).includes('5'))

  const reset = sender.requests.find(({ message }) => message.type === 'sluice.reset')
  t.match(JSON.parse(reset?.message.data ?? ''), { reason: 'history-lost' })
})

t.test('a stream that was deleted and made again is another history', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create({ stream: 'orders' })
  await deliveries.publishTo('orders', 2)
  await deliveries.settled(id, 2)

  await inWorkspace(deliveries.pool, 'acme', client =>
    client.query(`select sluice.delete_stream('acme', 'orders')`),
  )
  await deliveries.publishTo('orders', 3)
  await deliveries.settled(id, 3)

  t.strictSame(sender.sentTo(id).slice(2), ['sluice.reset', '1', '2', '3'])
  t.match(JSON.parse(sender.requests[2]?.message.data ?? ''), { reason: 'deleted' })
})

t.test(
  'an event that is redacted while it waits is sent as it is then; a compacted one is passed over',
  async t => {
    const deliveries = await startDeliveries(t)
    const { sender } = deliveries.start()
    let finish: (result: SendResult) => void = () => {}
    sender.script = () => new Promise(resolve => (finish = resolve))
    const id = await deliveries.create()
    await deliveries.publish(4)
    await until('the first request', () => sender.requests.length === 1)

    await deliveries.pool.query(`update sluice.events set data = '{"redacted":true}' where "position" = 2`)
    await deliveries.pool.query(
      `update sluice.events set type = 'event.compacted', data = '{}' where "position" = 3`,
    )
    deliveries.tailer.forget('all')
    sender.script = () => OK
    finish(OK)
    await deliveries.settled(id, 4)

    t.strictSame(
      sender.requests.map(({ message }) => message.data),
      ['{"n":1}', '{"redacted":true}', '{"n":4}'],
    )
  },
)

t.test('an event that is redacted while it waits for its turn is sent as it is then', async t => {
  const deliveries = await startDeliveries(t)
  const { deliverer, sender } = deliveries.start({ concurrency: 1 })
  let finish: (result: SendResult) => void = () => {}
  sender.script = () =>
    new Promise(resolve => {
      finish = resolve
    })
  await deliveries.create({ url: 'https://one.example.com/' })
  await deliveries.create({ url: 'https://two.example.com/' })
  await deliveries.publish(1)
  await until('one waits for the other', () => sender.underWay === 1 && deliverer.turns.waiting === 1)

  await deliveries.pool.query(`update sluice.events set data = '{"redacted":true}'`)
  deliveries.tailer.forget('all')
  finish(OK)
  await until('its turn', () => sender.requests.length === 2)
  finish(OK)

  t.strictSame(
    sender.requests.map(({ message }) => message.data),
    ['{"n":1}', '{"redacted":true}'],
  )
})
