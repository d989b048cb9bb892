import t from 'tap'
import { slotSweep } from '../../../src/limits/slot-rows.js'
import { createDatabase } from '../../harness/database.js'
import { randomFrom } from '../../harness/random.js'
import { ADA, ada, claimed, exchanged, type SlotSetup, slotsOn } from '../../harness/slot-process.js'
import { until } from '../../harness/until.js'

const GRACE_MS = 10_000
/** Less than between a heartbeat of 4 s ago and one of 6 s ago. */
const IN_TIME_MS = 1_900

t.test('what all processes open beyond the cap is withdrawn after 10 s, the newest first', async t => {
  const { pool } = await createDatabase(t)
  const [a, b] = [await slotsOn(t, { pool, principal: 6 }), await slotsOn(t, { pool, principal: 6 })]
  a.openMany(4)
  await exchanged(0, a)
  b.openMany(2)
  const oldest = b.streams.slice()
  t.equal(b.openMany(5), 1, 'each process has the cap for itself')

  await exchanged(0, b, a)
  await exchanged(GRACE_MS - 1, b, a)
  t.equal(a.streams.length + b.streams.length, 10, 'for 10 s a refusal may be out of date')
  await exchanged(1_000, b, a)

  t.strictSame(b.streams, oldest)
  t.equal(a.streams.length, 4)
  t.strictSame(b.withdrawn, Array(4).fill('principal'))
  t.strictSame(b.shared.withdrawn, { principal: 4, workspace: 0, address: 0 })
  t.strictSame([b.open(), b.open()], ['principal', 'principal'], 'now it is refused at once')
  t.strictSame(await claimed(pool), { [ADA]: { [a.id]: 4, [b.id]: 2 } })

  a.close()
  await exchanged(0, a, b)
  t.equal(b.open(), undefined, 'a slot that is given back is free for the others')
  await exchanged(GRACE_MS, b, b)
  t.equal(b.streams.length, 3, 'and stays')
})

t.test('a client that moves is neither refused nor withdrawn, whichever process notices first', async t => {
  const { pool } = await createDatabase(t)
  const [a, b] = [await slotsOn(t, { pool, principal: 5 }), await slotsOn(t, { pool, principal: 5 })]
  a.openMany(5)
  await exchanged(0, a)

  t.equal(b.openMany(5), 0)
  await exchanged(0, b)
  await exchanged(2_000, b)
  a.close(5)
  await exchanged(0, a)
  await exchanged(GRACE_MS, b, b)

  t.equal(b.streams.length, 5)
  t.strictSame(await claimed(pool), { [ADA]: { [b.id]: 5 } })
})

t.test('the slots of a killed process are free 6 s after its last heartbeat', async t => {
  const { pool } = await createDatabase(t)
  const [a, b] = [await slotsOn(t, { pool, principal: 5 }), await slotsOn(t, { pool, principal: 5 })]
  a.openMany(5)
  await exchanged(0, a)
  const silent = (seconds: number) =>
    pool.query(
      `update sluice.nodes set heartbeat_at = clock_timestamp() - $1 * interval '1 s' where id = $2`,
      [seconds, a.id],
    )

  b.openMany(5)
  // A machine that stands still meanwhile makes the heartbeat too late, so its process comes back and is late anew.
  await until('the other process asks in time', async () => {
    await silent(-3_600)
    a.shared.claimAgain()
    b.shared.claimAgain()
    await pool.query('truncate sluice.stream_slots')
    await exchanged(0, a)
    const since = performance.now()
    await silent(4)
    await exchanged(0, b)
    return performance.now() - since < IN_TIME_MS
  })
  t.strictSame(await claimed(pool), { [ADA]: { [a.id]: 5 } }, 'a late heartbeat costs no slot')
  await silent(6.1)
  await exchanged(7_000, b)

  t.strictSame(await claimed(pool), { [ADA]: { [b.id]: 5 } })
  await exchanged(GRACE_MS, b, b)
  t.equal(b.streams.length, 5)

  await pool.query('delete from sluice.nodes')
  const removed = await slotSweep(pool).run(new AbortController().signal)
  t.strictSame([removed, await claimed(pool)], [1, {}], 'a row without processes is swept')
})

t.test('a hundredth of the cap is not claimed, in each process', async t => {
  const { pool } = await createDatabase(t)
  const a = await slotsOn(t, { pool, principal: 300 })
  const b = await slotsOn(t, { pool, principal: 300 })
  a.openMany(300)
  b.openMany(3)
  await exchanged(0, a, b)
  t.strictSame(await claimed(pool), { [ADA]: { [a.id]: 300 } })

  b.openMany(4)
  await exchanged(0, b)
  await exchanged(GRACE_MS, b)

  t.equal(a.streams.length + b.streams.length, 303, 'the cap and a hundredth')
})

t.test('without the database each process limits by itself, and says so once', async t => {
  const { pool } = await createDatabase(t)
  const a = await slotsOn(t, { pool, principal: 4 })
  let away = false
  const claim: SlotSetup['claim'] = ask => claims => (away ? Promise.reject(new Error('away')) : ask(claims))
  const b = await slotsOn(t, { pool, principal: 4, claim })
  a.openMany(4)
  b.openMany(1)
  await exchanged(0, a, b)
  await exchanged(GRACE_MS, b)
  t.equal(b.open(), 'principal')

  away = true
  await exchanged(0, b)
  t.equal(b.openMany(5), 1, 'its own cap')
  await exchanged(GRACE_MS, b, b)
  t.equal(b.streams.length, 4, 'and nothing is withdrawn')
  t.match(b.warnings, [/^Cannot share the counts of open streams/])
  t.equal(b.warnings.length, 1)

  away = false
  await exchanged(0, b)
  away = true
  await exchanged(GRACE_MS, b)
  away = false
  await exchanged(0, b)
  t.equal(b.streams.length, 4, 'an outage is no time in which it was refused')
  await exchanged(GRACE_MS, b)
  t.equal(b.streams.length, 0, 'then the cap holds again')
})

t.test('claims that the database has lost are made again', async t => {
  const { pool } = await createDatabase(t)
  const a = await slotsOn(t, { pool, principal: 5 })
  a.openMany(4)
  await exchanged(0, a)
  await pool.query('truncate sluice.stream_slots')

  a.shared.claimAgain()
  await exchanged(0, a)

  t.strictSame(await claimed(pool), { [ADA]: { [a.id]: 4 } })
})

t.test('concurrent claims never exceed the cap, and when all is closed nothing is left', async t => {
  const { pool } = await createDatabase(t)
  const random = randomFrom(11)
  const caps = { principal: 6, workspace: 0, address: 0 }
  const processes = await Promise.all([1, 2, 3, 4].map(() => slotsOn(t, { pool, principal: caps.principal })))
  const names = ['ada', 'grace', 'joan', 'mary'] as const
  const over: unknown[] = []

  for (let round = 0; round < 60; round += 1) {
    for (const each of processes) {
      for (let step = random.integer(6); step > 0; step -= 1) each.open({ ...ada, id: random.pick(names) })
      each.close(random.integer(4))
      each.clock.at += random.integer(GRACE_MS)
    }
    await Promise.all(processes.map(({ shared }) => shared.exchange()))
    for (const [key, holders] of Object.entries(await claimed(pool)))
      if (Object.values(holders).reduce((sum, slots) => sum + slots, 0) > caps.principal)
        over.push(key, holders)
  }
  t.strictSame(over, [])
  t.ok(processes.some(({ withdrawn }) => withdrawn.length > 10))

  for (const each of processes) each.close(each.streams.length)
  await exchanged(0, ...processes)
  await exchanged(0, ...processes)
  t.strictSame(await claimed(pool), {})
})
