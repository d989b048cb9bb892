import t from 'tap'
import { RecentMetrics, SAMPLE_MS, sumSamples, type Totals } from '../../../src/metrics/recent-metrics.js'

const HOUR_MS = 3_600_000
const START = 1_764_000_000_000

function counting() {
  let totals: Totals = { clients: 0, published: 0, fromSql: 0, delivered: 0, commitToDelivery: [0, 0, 0] }
  const recent = new RecentMetrics(() => totals)
  const set = (next: Partial<Totals>) => {
    totals = { ...totals, ...next }
  }
  return { recent, set }
}

t.test('a sample holds what was counted since the one before', async t => {
  const { recent, set } = counting()

  set({ clients: 3, published: 10, fromSql: 7, delivered: 30, commitToDelivery: [1, 4, 5] })
  recent.tick(START + 1)
  recent.tick(START + SAMPLE_MS - 1)
  set({ clients: 2, published: 14, delivered: 31, commitToDelivery: [1, 5, 7] })
  recent.tick(START + SAMPLE_MS + 700)

  t.strictSame(recent.samples(), [
    { at: START, clients: 3, published: 10, from_sql: 7, delivered: 30, commit_to_delivery: [1, 3, 1] },
    {
      at: START + SAMPLE_MS,
      clients: 2,
      published: 4,
      from_sql: 0,
      delivered: 1,
      commit_to_delivery: [0, 1, 1],
    },
  ])
})

t.test('an hour of samples is kept, and a clock that is set back adds none', async t => {
  const { recent } = counting()

  for (let at = START; at < START + 2 * HOUR_MS; at += SAMPLE_MS) recent.tick(at)
  recent.tick(START)

  const samples = recent.samples()
  t.equal(samples.length, HOUR_MS / SAMPLE_MS)
  t.equal(samples[0]?.at, START + HOUR_MS)
  t.equal(samples.at(-1)?.at, START + 2 * HOUR_MS - SAMPLE_MS)
})

t.test('the samples of several processes are added up by their time', async t => {
  const sample = (at: number, value: number) => ({
    at,
    clients: value,
    published: value,
    from_sql: value,
    delivered: value,
    commit_to_delivery: [value, 0],
  })

  const sum = sumSamples([
    [sample(1, 1), sample(2, 2)],
    [sample(2, 10), sample(3, 20)],
  ])

  // Each process reads the events that are published from SQL, so they are not added up.
  t.strictSame(sum, [sample(1, 1), { ...sample(2, 12), from_sql: 10 }, sample(3, 20)])
})
