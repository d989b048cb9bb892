import t, { type Test } from 'tap'
import { exchangeBy } from '../../../src/limits/rate-windows.js'
import { type Exchange, SharedLimit, type SharedLimitOptions } from '../../../src/limits/shared-limit.js'
import { createDatabase } from '../../harness/database.js'
import { randomFrom } from '../../harness/random.js'

const MINUTE = 60_000
/** So long that none ends while a test runs by the database's clock. */
const FORTNIGHT = 14 * 24 * 60 * MINUTE
/** A round minute, and a while into it. */
const NOON = Date.UTC(2026, 0, 2, 12)

/** A limit in a process of its own, as it were, with a clock to set. */
function limitOf(test: Test, options: Partial<SharedLimitOptions> & { max: number }) {
  const warnings: string[] = []
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) }
  const clock = { at: NOON }
  const limit = new SharedLimit({
    windowMs: MINUTE,
    remembered: 1_000,
    logger,
    now: () => clock.at,
    ...options,
  })
  test.teardown(() => limit.close())
  /** Tries so often; returns how often it was allowed. */
  const spend = (key: string, times: number) => {
    let allowed = 0
    for (let time = 0; time < times; time += 1) if (limit.spend(key).allowed) allowed += 1
    return allowed
  }
  return { limit, clock, spend, warnings }
}

/** Hands over what is due now, not in a quarter of a second, also if an exchange is under way. */
async function exchanged(...limits: { limit: SharedLimit }[]): Promise<void> {
  for (const { limit } of limits) {
    await limit.exchange()
    await limit.exchange()
  }
}

t.test('within a window the limit is exact, and each caller has its own', async t => {
  const { spend, limit } = limitOf(t, { max: 10 })

  t.equal(spend('ada', 25), 10)
  t.equal(spend('grace', 5), 5)
  t.match(limit.spend('ada'), { allowed: false, remaining: 0 })
  t.match(limit.spend('grace'), { allowed: true, remaining: 4, resetMs: MINUTE })
})

t.test(
  'the window slides: the last minute counts by the share of it that is still in the window',
  async t => {
    const { spend, clock } = limitOf(t, { max: 100 })
    clock.at = NOON + 0.9 * MINUTE
    t.equal(spend('ada', 200), 100)

    clock.at = NOON + MINUTE
    t.equal(spend('ada', 200), 0, 'a new minute alone brings nothing')
    clock.at = NOON + 1.25 * MINUTE
    t.equal(spend('ada', 200), 25, 'a quarter of it brings a quarter')
    clock.at = NOON + 3 * MINUTE
    t.equal(spend('ada', 200), 100, 'after two quiet minutes nothing is left of it')
  },
)

t.test('a caller that waits until the reset is allowed, and shortly before it is refused', async t => {
  const random = randomFrom(41)
  for (let round = 0; round < 300; round += 1) {
    const { limit, spend, clock } = limitOf(t, { max: 1 + random.integer(50) })
    for (let step = random.integer(6); step >= 0; step -= 1) {
      clock.at += random.integer(MINUTE)
      spend('ada', random.integer(60))
    }
    spend('ada', 60)
    const { resetMs } = limit.spend('ada')

    clock.at += resetMs - 3
    const early = resetMs > 3 && limit.spend('ada').allowed
    clock.at += 3

    if (early || !limit.spend('ada').allowed) t.fail(`round ${round}: told ${resetMs} ms`)
  }
  t.pass('in 300 histories')
})

t.test('the remaining budget stays available until the window ends, whatever was spent before', async t => {
  const random = randomFrom(42)
  for (let round = 0; round < 300; round += 1) {
    const { limit, spend, clock } = limitOf(t, { max: 2 + random.integer(50) })
    spend('ada', random.integer(40))
    clock.at += random.integer(2 * MINUTE)
    const { allowed, remaining, resetMs } = limit.spend('ada')
    clock.at += Math.floor(random.integer(1_000) * resetMs * 0.000_999)

    if (allowed && spend('ada', remaining) < remaining) t.fail(`round ${round}`)
  }
  t.pass('in 300 histories')
})

t.test('processes share one budget', async t => {
  const { pool } = await createDatabase(t)
  const exchange = exchangeBy(pool, FORTNIGHT)
  const [first, second] = [
    limitOf(t, { max: 50, windowMs: FORTNIGHT, exchange }),
    limitOf(t, { max: 50, windowMs: FORTNIGHT, exchange }),
  ]

  t.equal(first.spend('ada', 30), 30)
  t.equal(second.spend('ada', 10), 10)
  await exchanged(first, second)

  t.equal(second.spend('ada', 20), 10, 'it knows what the other has spent')
  await exchanged(second)
  t.equal(first.spend('ada', 1), 1, 'the other learns of it when it has something to tell')
  await exchanged(first)
  t.equal(first.spend('ada', 20), 0)
  t.equal(first.spend('grace', 1), 1, 'and nobody else pays')
})

t.test('the limit is exceeded at most by the requests between two exchanges', async t => {
  const { pool } = await createDatabase(t)
  const exchange = exchangeBy(pool, FORTNIGHT)
  const processes = [1, 2, 3, 4].map(() => limitOf(t, { max: 100, windowMs: FORTNIGHT, exchange }))
  let allowed = 0

  for (let round = 0; round < 15; round += 1) {
    for (const { spend } of processes) allowed += spend('ada', 5)
    await exchanged(...processes)
  }

  t.ok(allowed >= 100, `${allowed}`)
  t.ok(allowed <= 100 + 4 * 5, `${allowed}`)
})

t.test('the clocks of processes may differ widely and be wrong', async t => {
  const { pool } = await createDatabase(t)
  const exchange = exchangeBy(pool, FORTNIGHT)
  const [early, late] = [1, 2].map(() => limitOf(t, { max: 50, windowMs: FORTNIGHT, exchange }))
  if (!early || !late) throw new Error('There are two.')
  early.clock.at = Date.now() - 5 * FORTNIGHT
  late.clock.at = Date.now() + 3.5 * FORTNIGHT

  early.spend('ada', 30)
  late.spend('ada', 10)
  await exchanged(early, late)

  t.equal(late.spend('ada', 30), 10, 'with the first exchange it goes by the clock of the database')
  late.clock.at -= 0.9 * FORTNIGHT
  t.equal(late.spend('ada', 30), 0, 'a clock that is set back brings nothing')
  late.clock.at -= 9 * FORTNIGHT
  t.equal(
    late.spend('ada', 10),
    10,
    'one that jumps begins anew, rather than wait for the time to come again',
  )
})

t.test('requests never wait for the database, and without it each process counts alone', async t => {
  let reachable = false
  const sent: number[] = []
  const exchange: Exchange = async counts => {
    if (!reachable) throw new Error('connect ECONNREFUSED')
    sent.push(counts.reduce((sum, { current, previous }) => sum + current + previous, 0))
    return { atMs: NOON, totals: counts.map(({ current, previous }) => ({ current, previous })) }
  }
  const { limit, spend, warnings } = limitOf(t, { max: 50, exchange })

  t.equal(spend('ada', 20), 20)
  await exchanged({ limit })
  t.equal(spend('ada', 40), 30, 'the limit holds')
  await exchanged({ limit })
  t.strictSame(
    warnings,
    ['Cannot share rate-limit counters; limiting per process until the database is back.'],
    'and logs it once',
  )
  reachable = true
  await exchanged({ limit })

  t.strictSame(sent, [50], 'the requests counted meanwhile are sent once, in full')
  t.equal(spend('ada', 10), 0)
})

t.test('requests counted during an exchange are sent with the next one', async t => {
  let total = 0
  let answer = () => {}
  const exchange: Exchange = async ([count]) => {
    await new Promise<void>(resolve => {
      answer = resolve
    })
    total += (count?.current ?? 0) + (count?.previous ?? 0)
    return { atMs: NOON, totals: [{ current: total, previous: 0 }] }
  }
  const { limit, spend } = limitOf(t, { max: 50, exchange })

  spend('ada', 20)
  const first = limit.exchange()
  spend('ada', 7)
  answer()
  await first

  t.equal(limit.spend('ada').remaining, 50 - 28)
  const second = limit.exchange()
  answer()
  await second
  t.equal(total, 28)
})

t.test('the counts of a window that ends before or during an exchange are not lost', async t => {
  const { pool } = await createDatabase(t)
  let shift = 0
  const byDatabase = exchangeBy(pool, MINUTE)
  const exchange: Exchange = async counts => ({ ...(await byDatabase(counts)), atMs: NOON + shift })
  const { limit, spend, clock } = limitOf(t, { max: 100, exchange })

  spend('ada', 60)
  clock.at = NOON + MINUTE
  shift = MINUTE
  spend('ada', 10)
  await exchanged({ limit })
  const { rows } = await pool.query('select count from sluice.rate_windows order by number')

  t.strictSame(rows, [{ count: 60 }, { count: 10 }], 'each window is stored with its own count')
  t.equal(limit.spend('ada').remaining, 100 - 60 - 11)
})

t.test('callers with few requests, and refused requests, cause no exchange', async t => {
  let exchanges = 0
  const exchange: Exchange = async counts => {
    exchanges += 1
    return { atMs: NOON, totals: counts.map(({ current, previous }) => ({ current, previous })) }
  }
  const { limit, spend } = limitOf(t, { max: 1_000, exchange })

  for (let caller = 0; caller < 100; caller += 1) spend(`caller ${caller}`, 9)
  await exchanged({ limit })
  t.equal(exchanges, 0)
  spend('ada', 1_000)
  await exchanged({ limit })
  t.equal(exchanges, 1)
  t.equal(spend('ada', 1_000), 0)
  await exchanged({ limit })
  t.equal(exchanges, 1)
})

t.test('refusal() spends nothing', async t => {
  const { limit, spend } = limitOf(t, { max: 2 })

  for (let times = 0; times < 5; times += 1) t.equal(limit.refusal('ada'), undefined)
  spend('ada', 2)

  t.match(limit.refusal('ada'), { allowed: false, remaining: 0, resetMs: MINUTE + 1 })
  t.equal(limit.refusal('grace'), undefined)
})

t.test('beyond the limit of callers the least recently seen ones start with a full budget', async t => {
  const { spend } = limitOf(t, { max: 1, remembered: 10 })
  spend('ada', 1)

  for (let caller = 0; caller < 9; caller += 1) spend(`caller ${caller}`, 1)
  t.equal(spend('ada', 1), 0)
  for (let caller = 0; caller < 10; caller += 1) spend(`caller ${caller}`, 1)

  t.equal(spend('ada', 1), 1)
})

t.test('two processes that send the same callers in opposite order do not deadlock', async t => {
  const { pool } = await createDatabase(t)
  const exchange = exchangeBy(pool, FORTNIGHT)
  const counts = Array.from({ length: 300 }, (_, caller) => ({ key: `c${caller}`, current: 2, previous: 1 }))

  for (let round = 0; round < 10; round += 1) {
    await Promise.all([counts, counts.toReversed(), counts, counts.toReversed()].map(exchange))
  }

  const { rows } = await pool.query('select sum(count)::int as sum, count(*)::int from sluice.rate_windows')
  t.strictSame(rows, [{ sum: 300 * 3 * 40, count: 600 }])
})

t.test('old windows are removed, and the table may be emptied at any time', async t => {
  const { pool } = await createDatabase(t)
  const process = limitOf(t, { max: 50, windowMs: FORTNIGHT, exchange: exchangeBy(pool, FORTNIGHT) })
  await pool.query(`insert into sluice.rate_windows select n, 'ada', 5 from generate_series(1, 1000) n`)

  process.spend('ada', 20)
  await exchanged(process)
  const { rows } = await pool.query('select count from sluice.rate_windows')
  t.strictSame(rows, [{ count: 20 }])
  await pool.query('truncate sluice.rate_windows')
  process.spend('ada', 1)
  await exchanged(process)

  t.equal(process.spend('ada', 100), 49, 'as after a crash: a fresh budget')
})
