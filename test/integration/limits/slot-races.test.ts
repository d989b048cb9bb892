/** What happens to the slots of streams between a question and its answer, and while a withdrawn stream ends. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { ADA, claimed, exchanged, type SlotSetup, slotsOn } from '../../harness/slot-process.js'
import { until } from '../../harness/until.js'

const GRACE_MS = 10_000

t.test('a claim that meets the removal of its row is recorded', async t => {
  const { pool } = await createDatabase(t)
  const [a, b] = [await slotsOn(t, { pool, principal: 5 }), await slotsOn(t, { pool, principal: 5 })]
  a.openMany(5)
  await exchanged(0, a)
  b.openMany(5)

  const remover = await pool.connect()
  try {
    await remover.query('begin')
    await remover.query('select from sluice.stream_slots for update')
    const claiming = exchanged(0, b)
    const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    await until('it waits for the row', async () => (await pool.query(waits)).rows.length === 1)
    await remover.query('delete from sluice.stream_slots')
    await remover.query('commit')
    await claiming
  } finally {
    remover.release(true)
  }

  t.strictSame(await claimed(pool), { [ADA]: { [b.id]: 5 } })
})

t.test('a stream that a slow client keeps open is withdrawn once, and no other in its place', async t => {
  const { pool } = await createDatabase(t)
  const [a, b] = [await slotsOn(t, { pool, principal: 4 }), await slotsOn(t, { pool, principal: 4 })]
  a.openMany(3)
  await exchanged(0, a)
  b.openMany(2)
  await exchanged(0, b)
  const [older, newest] = b.streams
  if (newest) b.slow.add(newest)

  await exchanged(GRACE_MS, b)
  for (let second = 0; second < 5; second += 1) await exchanged(1_000, b)

  t.strictSame(b.withdrawn, ['principal'])
  newest?.release()
  await exchanged(GRACE_MS, b)
  t.strictSame([b.withdrawn, b.streams[0]], [['principal'], older])
})

t.test('a slot that is granted after its stream has ended is given back', async t => {
  const { pool } = await createDatabase(t)
  let asked = () => {}
  const a = await slotsOn(t, { pool, principal: 6 })
  const claim: SlotSetup['claim'] = ask => claims => {
    const answer = ask(claims)
    asked()
    return answer
  }
  const b = await slotsOn(t, { pool, principal: 6, claim })
  a.openMany(4)
  b.openMany(2)
  await exchanged(0, a, b)
  b.open()
  const late = b.streams.slice(2)
  for (const slot of late) b.slow.add(slot)
  await exchanged(0, b)
  await exchanged(GRACE_MS, b)
  t.equal(b.withdrawn.length, 1)
  a.close()
  await exchanged(0, a)

  asked = () => late.forEach(slot => void slot.release())
  await exchanged(1_000, b)
  t.strictSame(await claimed(pool), { [ADA]: { [a.id]: 3, [b.id]: 3 } })
  await exchanged(0, b)

  t.strictSame(await claimed(pool), { [ADA]: { [a.id]: 3, [b.id]: 2 } })
})
