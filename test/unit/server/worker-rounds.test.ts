/** The metrics of several workers, one of which ends or falls silent: no sum of counters ever falls. */
import t from 'tap'
import { WorkerRounds } from '../../../server/worker-rounds.js'
import { Distribution } from '../../../src/metrics/distribution.js'
import { INSTRUMENTS } from '../../../src/metrics/instruments.js'
import { documentOf, type MetricDocument } from '../../../src/metrics/sampled-metric.js'

const ASKED = { topic: 'metrics', about: undefined } as const

/** What a worker reports that has published and delivered so many events. */
function reportOf(events: number): MetricDocument[] {
  const durations = new Distribution()
  for (let n = 0; n < events; n += 1) durations.observe(0.001)
  return [
    documentOf(INSTRUMENTS.published, [{ labels: { way: 'http' }, value: events }]),
    documentOf(INSTRUMENTS.commitToDelivery, [{ value: durations }]),
    documentOf(INSTRUMENTS.streams, [{ value: 1 }]),
  ]
}

/** Workers that answer at once, with the number of events that they have now; undefined: not at all. */
function workers(events: Map<string, number | undefined>) {
  const rounds: WorkerRounds<string> = new WorkerRounds((worker, message) => {
    const count = events.get(worker)
    if (message.say === 'report' && count !== undefined)
      rounds.reported(message.round, worker, { metrics: reportOf(count) })
  })
  const ask = async (of: readonly string[]) => {
    const { metrics = '' } = await rounds.ask(ASKED, of)
    const value = (name: string) =>
      Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'm').exec(metrics)?.[1])
    return [
      value('sluice_events_published_total'),
      value('sluice_commit_to_delivery_seconds_count'),
      value('sluice_streams_followed'),
    ]
  }
  return { rounds, ask }
}

t.test(
  'the counters and histograms of workers that have ended remain in the sums, their gauges do not',
  async t => {
    const events = new Map<string, number | undefined>([
      ['a', 5],
      ['b', 7],
    ])
    const { rounds, ask } = workers(events)

    const both = await ask(['a', 'b'])
    rounds.forget('b')
    const one = await ask(['a'])
    events.set('c', 2)
    const replaced = await ask(['a', 'c'])
    rounds.forget('c')
    rounds.forget('a')
    const none = await ask([])

    t.strictSame(
      [both, one, replaced],
      [
        [12, 12, 2],
        [12, 12, 1],
        [14, 14, 2],
      ],
    )
    t.strictSame(none.slice(0, 2), [14, 14])
  },
)

t.test('a worker that does not answer in time counts as it last reported', async t => {
  const events = new Map<string, number | undefined>([
    ['a', 5],
    ['b', 7],
  ])
  const { ask } = workers(events)

  await ask(['a', 'b'])
  events.set('a', 6).set('b', undefined)

  t.strictSame(await ask(['a', 'b']), [13, 13, 1])
})
