import t from 'tap'
import { BUCKETS, Distribution } from '../../../src/metrics/distribution.js'

t.test('a duration counts in its bucket and in all longer ones', async t => {
  const distribution = new Distribution()

  for (const seconds of [0.0004, 0.0005, 0.0006, 3, 61, -1]) distribution.observe(seconds)

  const counts = distribution.cumulative()
  t.strictSame(counts.length, BUCKETS.length + 1)
  t.strictSame(
    [0.0005, 0.001, 2, 5, 60].map(end => counts[BUCKETS.findIndex(bucket => bucket === end)]),
    [3, 4, 4, 5, 5],
  )
  t.equal(counts.at(-1), 6)
  t.ok(Math.abs(distribution.sum - 64.0015) < 1e-9, 'a negative duration counts as 0')
})
