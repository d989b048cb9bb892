import t from 'tap'
import { Backoff } from '../../../src/process/backoff.js'

t.test('pauses double up to the longest, and start again after a success', async t => {
  const backoff = new Backoff({ minMs: 100, maxMs: 500, jitter: 0 })

  t.strictSame(
    [1, 2, 3, 4, 5].map(() => backoff.next()),
    [100, 200, 400, 500, 500],
  )
  backoff.reset()
  t.equal(backoff.next(), 100)
})

t.test('jitter takes at most its share off a pause', async t => {
  const draws = [0, 0.5]
  const backoff = new Backoff({ minMs: 1_000, maxMs: 1_000, jitter: 0.5, random: () => draws.shift() ?? 0 })

  t.strictSame([backoff.next(), backoff.next()], [1_000, 750])
})
