import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { type ClaimSlots, SharedSlots } from '../../../src/limits/shared-slots.js'
import { claimsIn, slotSweep } from '../../../src/limits/slot-rows.js'
import type { StreamLimit, StreamSlot } from '../../../src/limits/stream-slot.js'
import { StreamSlots } from '../../../src/limits/stream-slots.js'
import { createDatabase } from '../../harness/database.js'
import { randomFrom } from '../../harness/random.js'

const GRACE_MS = 10_000
const ada = { workspace: 'acme', id: 'ada', address: '192.0.2.1' }
const ADA = 'principal acme ada'

interface Setup {
  readonly pool: Database
  readonly principal: number
  readonly claim?: (claim: ClaimSlots) => ClaimSlots
}

/** A process, as it were, with a row in the cluster and a clock to set. Its streams end when they are withdrawn. */
async function processOn(test: Test, { pool, principal, claim = ask => ask }: Setup) {
  const id = randomUUID()
  await pool.query(
    `insert into sluice.nodes (id, name, version, mode, started_at, heartbeat_at, lag_ms, clients, clients_by_kind)
     values ($1, 'n', '1', 'normal', now(), clock_timestamp() + interval '1 hour', 0, 0, '{}')`,
    [id],
  )
  const caps = { principal, workspace: 0, address: 0 }
  const warnings: string[] = []
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) }
  const clock = { at: 0 }
  const shared = new SharedSlots({ caps, claim: claim(claimsIn(pool, id)), logger, now: () => clock.at })
  test.teardown(() => shared.close())
  const slots = new StreamSlots(caps, shared)
  const streams: StreamSlot[] = []
  const withdrawn: StreamLimit[] = []
  const open = (holder = ada): StreamLimit | undefined => {
    const slot = slots.take(holder)
    if (typeof slot === 'string') return slot
    streams.push(slot)
    slot.onWithdrawn = limit => {
      withdrawn.push(limit)
      streams.splice(streams.indexOf(slot), 1)
      slot.release()
    }
    return undefined
  }
  /** Opens so many streams; returns how many were refused. */
  const openMany = (count: number) => Array.from({ length: count }, () => open()).filter(Boolean).length
  const close = (count = 1) => streams.splice(0, count).forEach(slot => void slot.release())
  return { id, shared, clock, streams, withdrawn, warnings, open, openMany, close }
}

type Process = Awaited<ReturnType<typeof processOn>>

/** One exchange after the other, as if so much time had passed since the last one. */
async function exchanged(ms: number, ...processes: Process[]): Promise<void> {
  for (const { shared, clock } of processes) {
    clock.at += ms
    await shared.exchange()
  }
}

async function claimed(pool: Database): Promise<Record<string, Record<string, number>>> {
  const { rows } = await pool.query('select key, holders from sluice.stream_slots')
  return Object.fromEntries(rows.map(({ key, holders }) => [key, holders]))
}

t.test('what all processes open beyond the cap is withdrawn after 10 s, the newest first', async t => {
  const { pool } = await createDatabase(t)
  const [a, b] = [await processOn(t, { pool, principal: 6 }), await processOn(t, { pool, principal: 6 })]
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
  const [a, b] = [await processOn(t, { pool, principal: 5 }), await processOn(t, { pool, principal: 5 })]
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
  const [a, b] = [await processOn(t, { pool, principal: 5 }), await processOn(t, { pool, principal: 5 })]
  a.openMany(5)
  await exchanged(0, a)
  const silent = (seconds: number) =>
    pool.query(
      `update sluice.nodes set heartbeat_at = clock_timestamp() - $1 * interval '1 s' where id = $2`,
      [seconds, a.id],
    )

  b.openMany(5)
  await silent(4)
  await exchanged(0, b)
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
  const a = await processOn(t, { pool, principal: 300 })
  const b = await processOn(t, { pool, principal: 300 })
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
  const a = await processOn(t, { pool, principal: 4 })
  let away = false
  const claim: Setup['claim'] = ask => claims => (away ? Promise.reject(new Error('away')) : ask(claims))
  const b = await processOn(t, { pool, principal: 4, claim })
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
  const a = await processOn(t, { pool, principal: 5 })
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
  const processes = await Promise.all(
    [1, 2, 3, 4].map(() => processOn(t, { pool, principal: caps.principal })),
  )
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
