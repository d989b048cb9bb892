/** Nothing is skipped, sent twice or forgotten when something happens at the wrong moment. */
import t from 'tap'
import { inWorkspace } from '../../../../src/database/workspace.js'
import { storedDeliveries } from '../../../../src/webhooks/delivery/stored-deliveries.js'
import { until } from '../../../harness/until.js'
import { SEALER } from '../stored-webhook.js'
import { AlarmClock } from './alarm-clock.js'
import { startDeliveries } from './deliveries.js'
import { removeThrough } from './retention.js'
import { answer, OK, type SendResult } from './scripted-sender.js'

t.test('an endpoint that cannot be read again for a moment continues at its cursor', async t => {
  const deliveries = await startDeliveries(t)
  const stored = storedDeliveries(deliveries.pool, SEALER)
  const away = () => Object.assign(new Error('The database is away.'), { code: '57P01' })
  let reads = 0
  const { sender } = deliveries.start({
    rows: {
      ...stored,
      async read(held) {
        reads += 1
        if (reads === 1) throw away()
        return await stored.read(held)
      },
      async changed(revisions) {
        if (reads === 1) throw away()
        return await stored.changed(revisions)
      },
    },
  })
  const id = await deliveries.create()
  await deliveries.publish(3)
  await deliveries.settled(id, 3)

  await deliveries.pool.query('update sluice.webhooks set revision = revision + 1 where id = $1', [id])
  await until('the failure', () => reads === 1)
  await deliveries.publish(1)
  await deliveries.settled(id, 4)

  t.strictSame(sender.sentTo(id), ['1', '2', '3', '4'])
})

t.test('retention that removes the failing event of an ordered endpoint brings a reset', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  const { sender } = deliveries.start({ clock })
  sender.script = ({ message }) => (message.data === '{"n":1}' ? answer(500) : OK)
  const id = await deliveries.create()
  await deliveries.publish(5)
  await until('the failure', () => clock.next !== undefined)

  await removeThrough(deliveries, 3)
  clock.forward(6_000)
  await deliveries.settled(id, 5)

  // The feed reports the loss, too.
  t.strictSame(sender.sentTo(id).slice(0, 4), ['1', 'sluice.reset', '4', '5'])
  t.match(JSON.parse(sender.requests[1]?.message.data ?? ''), { reason: 'retention', after: /^0/ })
  t.strictSame(await deliveries.waiting(id), [])
})

for (const order of ['ordered', 'parallel'] as const)
  t.test(`retention that removes events before their turn brings a reset (${order})`, async t => {
    const deliveries = await startDeliveries(t)
    const { sender } = deliveries.start()
    let finish: (result: SendResult) => void = () => {}
    sender.script = () => new Promise(resolve => (finish = resolve))
    const id = await deliveries.create({ order, maxInFlight: 1 })
    await deliveries.publish(5)
    await until('the first request', () => sender.requests.length === 1)

    await removeThrough(deliveries, 3)
    deliveries.tailer.forget('all')
    sender.script = () => OK
    finish(OK)
    await deliveries.settled(id, 5)

    t.strictSame(sender.sentTo(id).slice(0, 4), ['1', 'sluice.reset', '4', '5'])
    t.match(JSON.parse(sender.requests[1]?.message.data ?? ''), { reason: 'retention', after: /^1\./ })
  })

t.test('a replay ends if no event of its range matches, and if retention has passed its range', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const filtered = await deliveries.create({ types: 'other.*' })
  const passed = await deliveries.create()
  await deliveries.publish(4)
  await deliveries.append(1, '{"n":"x"}', 'other.made')
  await deliveries.settled(filtered, 5)
  await deliveries.settled(passed, 5)

  await deliveries.replay(filtered, 0, 3)
  await until('its end', async () => (await deliveries.replayState(filtered)) === 'completed')
  await removeThrough(deliveries, 4)
  await deliveries.replay(passed, 0, 3)
  await until('the other end', async () => (await deliveries.replayState(passed)) === 'lost')

  t.strictSame(sender.sentTo(filtered), ['x'])
  t.strictSame(sender.sentTo(passed), ['1', '2', '3', '4', 'x'])
})

t.test('a request of a replay that fails after the replay was stopped leaves nothing waiting', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(2)
  await deliveries.settled(id, 2)
  let finish: (result: SendResult) => void = () => {}
  sender.script = () => new Promise(resolve => (finish = resolve))
  await deliveries.replay(id, 0, 1)
  await until('its request', () => sender.requests.length === 3)

  await inWorkspace(deliveries.pool, 'acme', client =>
    client.query('select sluice.stop_webhook_replay($1, $2)', ['acme', id]),
  )
  finish(answer(500))
  await until('the attempt', async () => (await deliveries.attempts(id)).length === 3)
  await until('nothing waits', async () => (await deliveries.waiting(id)).length === 0)

  t.equal(sender.requests.length, 3)
})

t.test('a process that was stopped beyond its lease begins nothing when it goes on', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start({ leaseMs: 1_000 })
  let finish: (result: SendResult) => void = () => {}
  sender.script = () => new Promise(resolve => (finish = resolve))
  const id = await deliveries.create()
  await deliveries.publish(2)
  await until('the first request', () => sender.requests.length === 1)

  const end = performance.now() + 1_100
  while (performance.now() < end);
  finish(OK)
  // The answer is taken before any timer.
  for (let n = 0; n < 50; n += 1) await Promise.resolve()

  t.strictSame(sender.sentTo(id), ['1'])
})
