/** The delays of the console before the next attempt, for requests and for streams. */
import t from 'tap'
import { importConsole } from '../../harness/console-module.js'

interface Backoff {
  next(retryAfter?: number): number
  reset(): void
}
const { Backoff } = await importConsole<{ Backoff: new () => Backoff }>('api/backoff.ts')

t.test('delays double up to 30 s, less up to half of them, and start over after a success', async t => {
  const backoff = new Backoff()
  const whole = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]

  const delays = whole.map(() => backoff.next())
  backoff.reset()

  t.strictSame(
    delays.filter((delay, n) => !(delay >= (whole[n] ?? 0) / 2 && delay <= (whole[n] ?? 0))),
    [],
  )
  t.ok(
    new Set(delays.map((delay, n) => delay / (whole[n] ?? 1))).size > 1,
    'pages do not come back at the same time',
  )
  t.ok(backoff.next() <= 1_000)
})

t.test('a gateway that asks for a longer delay gets it', async t => {
  t.equal(new Backoff().next(7), 7_000)
})
