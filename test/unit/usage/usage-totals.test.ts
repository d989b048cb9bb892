/** What a count keeps of its parts: all sums, in a bounded text. */
import t from 'tap'
import { UsageTotals } from '../../../src/usage/usage-totals.js'

const WORKSPACES = 100
const part = JSON.stringify(
  Array.from({ length: WORKSPACES }, (_, n) => ({
    workspace: `w${n}`,
    streams: 7,
    jobs: 3,
    events: n,
    bytes: 10 * n,
  })),
)

t.test('many parts of the same workspaces end as one sum for each', async t => {
  const totals = new UsageTotals()
  for (let n = 0; n < 1_000; n += 1) totals.add(part)

  const sums = JSON.parse(totals.toText())

  t.equal(sums.length, WORKSPACES)
  t.strictSame(sums[42], { workspace: 'w42', streams: 7_000, jobs: 3_000, events: 42_000, bytes: 420_000 })
})

t.test('few parts stay as they are', async t => {
  const totals = new UsageTotals()
  t.equal(totals.toText(), '[]')
  totals.add(null)
  totals.add('[{"a":1}]')
  totals.add('[{"a":2},{"b":3}]')

  t.equal(totals.toText(), '[{"a":1},{"a":2},{"b":3}]')
})
