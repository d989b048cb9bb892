import t from 'tap'
import { PauseRule } from '../../../../src/hub/scheduling/pause-rule.js'

/** So many that the limit decides how long a pause is, whatever it is. */
const MANY = 100_000
const LOOK_MS = 200

/** A rule for an event loop whose clock stands still until the test moves it. */
function start(mode: 'latency' | 'cpu' = 'latency') {
  let now = 0
  let idle = 0
  const rule = new PauseRule(mode, { now: () => now, idle: () => idle })
  /** Time of which the loop was busy for a share; then the pause after a delivery to many clients. */
  const after = (ms: number, busy: number): number => {
    now += ms
    idle += ms * (1 - busy)
    return rule.pauseAfter(MANY, 0)
  }
  const looks = (count: number, busy: number) => Array.from({ length: count }, () => after(LOOK_MS, busy))
  return { rule, after, looks }
}

t.test('no stream is paused while the event loop is idle at times', async t => {
  const { looks } = start()

  t.strictSame(looks(20, 0.84), Array(20).fill(0))
})

t.test('pauses grow while the event loop is always busy, up to 25 ms', async t => {
  const { looks } = start()

  t.strictSame(looks(7, 0.86), [5, 10, 15, 20, 25, 25, 25])
})

t.test('pauses stay the same while the event loop is neither always busy nor often idle', async t => {
  const { looks } = start()
  looks(2, 1)

  t.strictSame(looks(20, 0.71), Array(20).fill(10))
  t.strictSame(looks(20, 0.84), Array(20).fill(10))
})

t.test('pauses shrink to none when the event loop is idle again, and grow again after that', async t => {
  const { looks } = start()
  looks(3, 1)

  t.strictSame(looks(4, 0.69), [10, 5, 0, 0])
  t.strictSame(looks(2, 1), [5, 10])
})

t.test('the event loop is looked at after 200 ms at the earliest, and over all the time since', async t => {
  const { after } = start()

  t.strictSame([after(199, 1), after(1, 1), after(199, 0), after(601, 1)], [0, 5, 5, 5])
})

t.test('one busy moment after an hour of silence pauses nothing', async t => {
  const { after } = start()
  after(3_600_000, 0)

  t.strictSame([after(150, 1), after(3_600_000, 0.01), after(100, 1)], [0, 0, 0])
})

t.test('a pause is three times as long as the delivery, by its clients and its characters', async t => {
  const { rule, looks } = start()
  looks(5, 1)
  const near = (actual: number, ms: number, what: string) => t.ok(Math.abs(actual - ms) < 1e-6, what)

  near(rule.pauseAfter(100, 0), 3, '10 µs a client')
  near(rule.pauseAfter(100, 10_000), 3.9, 'and 0.3 ns a character')
  near(rule.pauseAfter(1_000, 0), 25, 'within the limit')
})

t.test('a stream of few clients is not paused', async t => {
  const { rule, looks } = start()
  looks(5, 1)

  t.equal(rule.pauseAfter(33, 0), 0)
  t.equal(rule.pauseAfter(0, 1_000_000), 0)
})

t.test('to save CPU a stream is paused however idle the event loop is, for 75 ms at most', async t => {
  const { looks, rule } = start('cpu')

  t.strictSame(looks(5, 0), Array(5).fill(75))
  t.equal(rule.pauseAfter(33, 0), 0)
})
