import t from 'tap'
import { Breakers, type Health } from '../../../src/network/circuit-breaker.js'
import { movableClock } from '../../harness/clock.js'

const PAUSE_MS = 5_000
const dead: Health = { failure: 'The host is dead.' }
const say = (health: Health) => () => health
const nothing = async () => undefined

/** Work that ends when the test says so. */
function pendingWork() {
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  return { work: () => ended, end }
}

async function opened(breakers = new Breakers()) {
  const breaker = breakers.of('a')
  for (let n = 0; n < 5; n++) await breaker.run(nothing, say(dead))
  return breaker
}

t.test('five failures in a row open a breaker, and a success between them starts the count anew', async t => {
  const breaker = new Breakers().of('a')

  for (const health of [dead, dead, dead, dead, 'answers', dead, dead, dead, dead] as const) {
    t.equal(breaker.heldUntil(), undefined)
    await breaker.run(nothing, say(health))
  }
  t.equal(breaker.heldUntil(), undefined)
  await breaker.run(nothing, say(dead))

  t.ok(Number(breaker.heldUntil()) > Date.now())
  t.equal(breaker.failure, 'The host is dead.')
  await t.rejects(breaker.run(nothing, say('answers')), /holds requests back/)
})

t.test('after its pause exactly one probe passes; its success closes the breaker', async t => {
  const clock = movableClock(t)
  const breaker = await opened()
  clock.forward(PAUSE_MS + 1)
  const probe = pendingWork()

  t.equal(breaker.heldUntil(), undefined)
  const probing = breaker.run(probe.work, say('answers'))
  const held = Array.from({ length: 100 }, () => breaker.heldUntil())
  probe.end()
  await probing

  t.ok(held.every(until => until !== undefined && until > Date.now() - 1_000))
  t.equal(breaker.heldUntil(), undefined)
  t.equal(breaker.failure, undefined)
})

t.test('each probe that fails doubles the pause, up to a minute; a success shortens it again', async t => {
  const clock = movableClock(t)
  const breaker = await opened()
  const pauses: number[] = []
  for (let n = 0; n < 6; n++) {
    const pauseMs = Number(breaker.heldUntil()) - Date.now()
    pauses.push(Math.round(pauseMs / 1_000))
    clock.forward(pauseMs + 1)
    await breaker.run(nothing, say(dead))
  }
  clock.forward(60_001)
  await breaker.run(nothing, say('answers'))
  for (let n = 0; n < 5; n++) await breaker.run(nothing, say(dead))

  t.strictSame(pauses, [5, 10, 20, 40, 60, 60])
  t.equal(Math.round((Number(breaker.heldUntil()) - Date.now()) / 1_000), 5)
})

t.test('a host that has not answered yet has five requests at once; one answer lifts that', async t => {
  const breaker = new Breakers().of('a')
  const pending = Array.from({ length: 5 }, pendingWork)
  const [first, ...others] = pending.map(({ work }) => breaker.run(work, say('answers')))

  t.ok(Number(breaker.heldUntil()) > Date.now())
  await t.rejects(breaker.run(nothing, say('answers')))
  pending[0]?.end()
  await first
  t.equal(breaker.heldUntil(), undefined)
  const more = Array.from({ length: 100 }, pendingWork)
  const running = more.map(({ work }) => breaker.run(work, say('answers')))
  t.equal(breaker.heldUntil(), undefined)

  for (const { end } of [...pending, ...more]) end()
  await Promise.all([...others, ...running])
})

t.test('undecided results do not open a breaker, and an undecided probe does not close it', async t => {
  const clock = movableClock(t)
  const closed = new Breakers().of('a')
  for (let n = 0; n < 20; n++) await closed.run(nothing, say('undecided'))
  const open = await opened()
  clock.forward(PAUSE_MS + 1)
  await open.run(nothing, say('undecided'))

  t.equal(closed.heldUntil(), undefined)
  t.ok(Number(open.heldUntil()) > Date.now())
})

t.test('work that throws is undecided, and leaves nothing under way', async t => {
  const breaker = new Breakers().of('a')

  for (let n = 0; n < 20; n++)
    await t.rejects(
      breaker.run(() => Promise.reject(new Error('fault')), say(dead)),
      /fault/,
    )

  t.equal(breaker.heldUntil(), undefined)
})

t.test('breakers are counted while they are open, and the least recently used is forgotten', async t => {
  const breakers = new Breakers({ kept: 100 })
  await opened(breakers)

  t.equal(breakers.open, 1)
  t.equal(breakers.of('a').heldUntil() === undefined, false)
  for (let n = 0; n < 1_000; n++) breakers.of(`other ${n}`)
  t.equal(breakers.open, 0)
})
