/** A failover loses events that the filter of a webhook has left out, after its cursor has passed over them: nothing is reset. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Position } from '../../../../src/log/event.js'
import { storedDeliveries } from '../../../../src/webhooks/delivery/stored-deliveries.js'
import { until } from '../../../harness/until.js'
import { SEALER } from '../stored-webhook.js'
import { startDeliveries } from './deliveries.js'

t.test('the receiver gets the events of the new history without a reset', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create({ types: 'thing.*' })
  await deliveries.publish(2)
  await deliveries.settled(id, 2)
  await deliveries.append(2, '{}', 'other.made')
  await deliveries.settled(id, 4)

  await deliveries.loseTail(2, id)
  // Before the lost cursor.
  await deliveries.settled(id, 3)
  await deliveries.publish(2)
  await until('the last event', () => sender.sentTo(id).includes('4'))

  t.notOk(sender.sentTo(id).includes('sluice.reset'))
  t.strictSame(
    sender.requests.map(({ message }) => Number.parseInt(message.id ?? '', 10)),
    [1, 2, 3, 4, 5],
  )
})

t.test('the row keeps its cursor if the events are lost before it is stored', async t => {
  const deliveries = await startDeliveries(t)
  const id = await deliveries.create({ types: 'thing.*' })
  await deliveries.publish(2)
  const rows = storedDeliveries(deliveries.pool, SEALER)
  const [claimed] = await rows.claim(randomUUID(), 1, 60_000)
  if (!claimed) throw new Error('The webhook was not claimed.')
  const { epoch, endpoint } = claimed
  const { workspace } = endpoint
  const lost = { position: 2 as Position, eventId: randomUUID() }
  const change = { id, epoch, workspace, waiting: [], settled: [], dead: [] }

  await rows.record({ attempts: [], changes: [{ ...change, passed: lost }] })
  t.match(await deliveries.state(id), { cursor: 0 })
  await rows.record({ attempts: [], changes: [{ ...change, cursor: lost }] })
  t.match(await deliveries.state(id), { cursor: 2 }, 'one that the receiver has needs a reset')
})
