/** What the process of a holder learns from the row, without a request of its own. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { prolongPage } from '../../../src/consumers/consumer-pages.js'
import { claimConsumers, readConsumer } from '../../../src/consumers/consumer-rows.js'
import { ConsumerSignals } from '../../../src/consumers/consumer-signals.js'
import { moveCursors, noteHandedOut, passOver, resetCursor } from '../../../src/consumers/cursor-rows.js'
import { Holds } from '../../../src/consumers/holds.js'
import type { Database } from '../../../src/database/pool.js'
import { EventFrames } from '../../../src/hub/event-frames.js'
import { type Head, readPage } from '../../../src/log/log.js'
import { observed, silent } from '../../harness/hub.js'
import { until } from '../../harness/until.js'
import { NODE, startStore } from './rows.js'

const ROUNDS = 6

t.test('a full window learns of an acknowledgement at another node before its lease is renewed', async t => {
  const { pool, streamId, create, at } = await startStore(t, ROUNDS)
  const consumer = await create({ maxInFlight: 1 })
  const { events } = await readPage(pool, streamId, at(0).position, ROUNDS, 1_000_000)
  const holds = new Holds({ database: pool, node: NODE, logger: silent, signals: new ConsumerSignals() })
  holds.start()
  const hold = await holds.claim(consumer, 'ada', false)
  if (!hold) throw new Error('The consumer was not claimed.')
  t.teardown(async () => {
    hold.abandon()
    await holds.close()
  })
  const renewedUntil = async () => (await readConsumer(pool, consumer.id))?.held?.until.getTime()

  // A renewal reads the row too, and some rounds meet one.
  let isBefore = false
  for (const event of events) {
    hold.wrote([new EventFrames(event)], event)
    t.equal(hold.room, 0)
    const before = await renewedUntil()
    await moveCursors(pool, [{ ...hold.claim, position: event.position, eventId: event.eventId }])
    await until('there is room', () => hold.room === 1)
    isBefore ||= (await renewedUntil()) === before
    if (isBefore) break
  }

  t.ok(isBefore)
})

t.test('the cursor passes over filtered events that the log has, and over none that it has lost', async t => {
  const { pool, create, at, claim } = await startStore(t, 2)
  const { id } = await create({ types: 'no.such' })
  const holds = new Holds({ database: pool, node: NODE, logger: silent, signals: new ConsumerSignals() })
  t.teardown(() => holds.close())
  const released = async (place: Head) => {
    const consumer = await readConsumer(pool, id)
    const hold = consumer && (await holds.claim(consumer, 'ada', true))
    hold?.wrote([], place)
    hold?.abandon()
    await until('it is free', async () => (await claim(id)) !== undefined)
    return (await readConsumer(pool, id))?.cursor
  }

  t.match(await released({ position: at(1).position, eventId: randomUUID() }), at(0), 'a lost one')
  t.match(await released(at(1)), at(1), 'a stored one')
  await pool.query('update sluice.streams set base_position = $1, base_event_id = $2', [
    at(2).position,
    at(2).eventId,
  ])
  await pool.query('delete from sluice.events')
  t.match(await released(at(2)), at(2), 'one that retention has removed')
})

t.test('the cursor passes over nothing while a reset waits for its acknowledgement', async t => {
  const { pool, create, claim, at, streamId } = await startStore(t, 2)
  const consumer = await create({ types: 'no.such' })
  const claimed = await claim(consumer.id)
  if (!claimed) throw new Error('The consumer is held.')
  await resetCursor(pool, claimed, streamId, at(1))

  await passOver(pool, [{ ...claimed, ...at(2) }])

  t.match(await readConsumer(pool, consumer.id), { cursor: at(0), reset: { to: at(1) } })
})

t.test('an acknowledgement takes nothing from the page that its client gets meanwhile', async t => {
  const { pool, create, at } = await startStore(t, 2)
  const { id } = await create()
  const claiming = { kind: 'pull', node: null, holder: 'ada', ids: [id], leaseMs: 60_000 } as const
  const [holding] = await claimConsumers(pool, claiming)
  if (!holding) throw new Error('The consumer was not claimed.')
  const handOut = (n: number) => noteHandedOut(pool, [{ ...holding, ...at(n), inFlight: 1 }])
  await handOut(1)
  await moveCursors(pool, [{ ...holding, ...at(1) }])

  const interrupted = observed(
    pool,
    () => {},
    name => name === 'sluice-read-consumers' && handOut(2),
  )
  await prolongPage(interrupted, holding)

  t.match(await readConsumer(pool, id), { inFlight: 1, handed: at(2), cursor: at(1) })
})

t.test('of two takeovers in one process, the later one holds, whichever is answered first', async t => {
  const { pool, create } = await startStore(t)
  const consumer = await create()
  const { database, answer } = withSlowFirstAnswer(pool)
  const holds = new Holds({ database, node: NODE, logger: silent, signals: new ConsumerSignals() })

  const earlier = holds.claim(consumer, 'ada', true)
  await until('it is claimed', async () => (await readConsumer(pool, consumer.id))?.epoch === 1)
  const later = await holds.claim(consumer, 'bob', true)
  answer()

  t.equal(await earlier, undefined)
  t.match(later, { claim: { epoch: 2 }, isLost: false })
  later?.abandon()
  await holds.close()
})

/** The pool, whose first statement is answered when `answer` is called. */
function withSlowFirstAnswer(pool: Database) {
  let answer = () => {}
  const answered = new Promise<void>(resolve => {
    answer = resolve
  })
  let statements = 0
  const database = new Proxy(pool, {
    get(target, name) {
      if (name !== 'query') return Reflect.get(target, name, target)
      return async (...given: unknown[]) => {
        const isFirst = statements++ === 0
        const result = await Reflect.apply(target.query, target, given)
        if (isFirst) await answered
        return result
      }
    },
  })
  return { database, answer }
}
