/** What several workers report, as one answer; one of them ends or falls silent, and no sum of counters ever falls. */
import t from 'tap'
import { WorkerRounds } from '../../../server/worker-rounds.js'
import type { ClientReport } from '../../../src/clients/client-report.js'
import { Distribution } from '../../../src/metrics/distribution.js'
import { INSTRUMENTS } from '../../../src/metrics/instruments.js'
import { documentOf, type MetricDocument } from '../../../src/metrics/sampled-metric.js'
import type { WorkerReports } from '../../../src/process/worker-message.js'

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

t.test('clients and samples are added up over the workers, and connections put together', async t => {
  const sample = (value: number) => ({
    ...{ at: 5_000, clients: value, published: value, from_sql: value, delivered: value },
    commit_to_delivery: [value],
  })
  const report = (id: string): ClientReport => ({
    ...{ id, startedAt: 0, clockAheadMs: 0, isShort: false, readAt: undefined, head: undefined },
    ...{ total: 0, open: [], closed: [], refused: [] },
  })
  const reports: Readonly<Record<string, Partial<WorkerReports>>> = {
    a: { clients: { total: 3, byKind: { feed: 2, job: 1 } }, recent: [sample(5)], connections: report('a') },
    b: { clients: { total: 4, byKind: { feed: 4 } }, recent: [sample(7)], connections: report('b') },
  }
  const rounds: WorkerRounds<string> = new WorkerRounds((worker, message) => {
    if (message.say === 'report') rounds.reported(message.round, worker, reports[worker])
  })
  const ask = (topic: 'clients' | 'recent') => rounds.ask({ topic, about: undefined }, ['a', 'b', 'silent'])
  const about = { workspace: 'acme', of: 'open', limit: 10 } as const

  t.strictSame(await ask('clients'), {
    clients: { workers: 2, clients: { total: 7, byKind: { feed: 6, job: 1 } } },
  })
  t.strictSame(await ask('recent'), { recent: [{ ...sample(12), from_sql: 7 }] })
  const { connections } = await rounds.ask({ topic: 'connections', about }, ['a', 'b'])
  t.strictSame(
    connections?.map(({ id }) => id),
    ['a', 'b'],
  )
})

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
