/** A failover loses what a process has stored about the deliveries of a webhook, and leaves it the claim. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Position } from '../../../../src/log/event.js'
import { storedDeliveries } from '../../../../src/webhooks/delivery/stored-deliveries.js'
import type { AttemptRecord } from '../../../../src/webhooks/delivery-records.js'
import { until } from '../../../harness/until.js'
import { SEALER } from '../stored-webhook.js'
import { startDeliveries } from './deliveries.js'
import { answer, OK, shortOf } from './scripted-sender.js'

const LATER_MS = 3_600_000

t.test('a delivery whose next try is lost is not passed over', async t => {
  const deliveries = await startDeliveries(t)
  const { pool } = deliveries
  const { sender } = deliveries.start({ leaseMs: 2_000, pausesMs: [LATER_MS] })
  let fails = true
  sender.script = request => (fails && shortOf(request) === '2' ? answer(500) : OK)
  const id = await deliveries.create({ order: 'parallel' })
  await deliveries.publish(1)
  await deliveries.settled(id, 1)
  const { rows } = await pool.query('select last_attempt_at as at from sluice.webhooks where id = $1', [id])
  await deliveries.publish(2)
  await deliveries.settled(id, 3)
  t.match(await deliveries.waiting(id), [{ position: 2 }])

  fails = false
  await pool.query(
    `with attempts as (delete from sluice.webhook_attempts where webhook_id = $1 and "position" > 1),
          waiting as (delete from sluice.webhook_waiting where webhook_id = $1),
          webhook as (update sluice.webhooks set attempts = 1, last_attempt_at = $2 where id = $1)
     update sluice.consumers c set cursor_position = 1, cursor_event_id = e.event_id
       from sluice.events e where c.id = $1 and e.stream_id = c.stream_id and e."position" = 1`,
    [id, rows[0].at],
  )
  await deliveries.publish(1)
  await until('the delivery is tried again', () => sender.sentTo(id).filter(n => n === '2').length === 2)
  await deliveries.settled(id, 4)

  t.strictSame(await deliveries.waiting(id), [])
  const delivered = (await deliveries.attempts(id)).filter(({ outcome }) => outcome === 'delivered')
  t.same(new Set(delivered.map(({ n }) => n)), new Set([1, 2, 3, 4]))
})

t.test('nothing more is stored under the claim, also what was noted before the loss was known', async t => {
  const deliveries = await startDeliveries(t)
  const { pool } = deliveries
  const webhook = await deliveries.create()
  await deliveries.publish(2)
  const rows = storedDeliveries(pool, SEALER)
  const [claimed] = await rows.claim(randomUUID(), 1, 60_000)
  if (!claimed) throw new Error('The webhook was not claimed.')
  const { id, epoch, endpoint } = claimed
  const change = { id, epoch, workspace: endpoint.workspace, waiting: [], settled: [], dead: [] }
  const attempt: AttemptRecord = {
    ...{
      webhook,
      position: 1,
      eventId: randomUUID(),
      type: 'thing.made',
      attempt: 1,
      at: new Date(),
      lane: 'live',
    },
    ...{
      outcome: 'failed',
      status: 500,
      milliseconds: 1,
      error: 'x',
      answer: undefined,
      nextTryAt: undefined,
    },
  }
  t.strictSame(await rows.record({ attempts: [attempt], changes: [change] }), [])

  await pool.query('delete from sluice.webhook_attempts')
  await pool.query('update sluice.webhooks set last_attempt_at = null')
  const moved = { ...change, cursor: { position: 2 as Position, eventId: randomUUID() } }

  t.strictSame(await rows.record({ attempts: [], changes: [moved] }), [id])
  t.strictSame(await rows.record({ attempts: [], changes: [moved] }), [id])
  t.match(await deliveries.state(id), { cursor: 0 })
  await rows.read(claimed)
  t.strictSame(await rows.record({ attempts: [], changes: [change] }), [])
})

t.test('an attempt that a sweep has removed is not lost', async t => {
  const deliveries = await startDeliveries(t)
  const { deliverer, sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(1)
  await deliveries.settled(id, 1)

  await deliveries.pool.query('delete from sluice.webhook_attempts')
  await deliveries.publish(1)
  await deliveries.settled(id, 2)
  await deliverer.look()

  t.strictSame(sender.sentTo(id), ['1', '2'])
  t.equal(deliverer.tally.lost, 0)
})

t.test('nor does an older attempt count as a loss that the process before stores late', async t => {
  const deliveries = await startDeliveries(t)
  const { deliverer, sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(1)
  await deliveries.settled(id, 1)

  await deliveries.pool.query("update sluice.webhooks set last_attempt_at = now() - interval '1 hour'")
  await deliveries.publish(1)
  await deliveries.settled(id, 2)
  await deliverer.look()

  t.strictSame(sender.sentTo(id), ['1', '2'])
  t.equal(deliverer.tally.lost, 0)
})
