/** Histories in which something rare happens to consumers, webhooks and jobs, and nothing is wrong: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import type { Entry, EntryOf } from './history.js'
import { rows } from './planted-bugs.js'

const FEED = 'acme/feed'

export const CLEAN_WORK_HISTORIES: readonly CleanHistory[] = [
  { name: 'a consumer gets two resets, and another one lost events', make: withLostPlaces },
  { name: 'a parallel webhook, and one that never accepts', make: withOtherWebhooks },
  { name: 'a job is lost as a whole, and submitted again', make: withJobAgain },
  { name: 'a job is given to a second runner, and another one is cancelled', make: withOtherJobs },
]

/** One consumer continues at a reset, the other one was handed out events that a failover took. */
export function withLostPlaces(history: readonly Entry[]): Entry[] {
  const all = rows(history)
  const [first, head] = [all[0], all.at(-1)]
  const lost = history.filter((each): each is EntryOf<'row'> => each.k === 'row' && each.lost === true)
  const orders = rows(history, 'acme/orders').filter(row => !row.lost)
  const place = orders.findIndex(({ id }) => id === lost[0]?.after)
  const overtaken = { t: END_MS + 10, consumer: 'acme/overtaken' }
  const failed = { t: END_MS, consumer: 'acme/failed' }
  const handed = (
    to: { t: number; consumer: string },
    n: number,
    { id, type, h }: EntryOf<'row'>,
  ): Entry => ({
    k: 'handed',
    ...to,
    n,
    id,
    type,
    h: h.ndjson ?? '',
  })
  const acknowledged = (to: { t: number; consumer: string }, a: number, epoch: number, id = ''): Entry[] => [
    { k: 'acking', ...to, a, epoch, id },
    { k: 'acked', ...to, a, status: 200, cursor: id },
  ]
  const common = { form: 'ndjson', start: '0.aaaaaa', maxInFlight: 1_000 }
  const start = orders[place]?.id ?? ''
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'retention', stream: FEED },
    { k: 'consumer', ...common, consumer: 'acme/overtaken', stream: FEED },
    { k: 'held', ...overtaken, n: 1, holder: 'one', epoch: 1, asked: END_MS },
    ...(first ? [handed(overtaken, 1, first)] : []),
    // Another holder got a newer reset, and this one learns that later.
    { k: 'acking', ...overtaken, a: 4, epoch: 1, id: all.at(-3)?.id ?? '' },
    { k: 'acked', ...overtaken, a: 4, status: 200, cursor: first?.id ?? '' },
    { k: 'rewound', ...overtaken, reason: 'retention', head: all.at(-2)?.id ?? '' },
    // The same once more, after it has heard of it.
    { k: 'acking', ...overtaken, a: 5, epoch: 1, id: all.at(-3)?.id ?? '' },
    { k: 'acked', ...overtaken, a: 5, status: 200, cursor: first?.id ?? '' },
    ...acknowledged(overtaken, 1, 1, all.at(-2)?.id),
    ...(head ? [handed(overtaken, 1, head)] : []),
    // It comes back in its epoch, and gets the event again.
    { k: 'held', ...overtaken, n: 2, holder: 'one', epoch: 1, asked: END_MS + 10 },
    ...(head ? [handed(overtaken, 2, head)] : []),
    ...acknowledged(overtaken, 2, 1, head?.id),
    { k: 'held', ...overtaken, t: END_MS + 30, n: 3, holder: 'two', epoch: 2, asked: END_MS + 20 },
    { k: 'acking', ...overtaken, t: END_MS + 40, a: 3, epoch: 1, id: head?.id ?? '' },
    { k: 'acked', ...overtaken, t: END_MS + 50, a: 3, status: 409 },
    { k: 'cursor', ...overtaken, position: Number.parseInt(head?.id ?? '', 10) },
    { k: 'fault', t: END_MS, fault: 'lost-tail', stream: 'acme/orders' },
    { k: 'consumer', ...common, consumer: 'acme/failed', stream: 'acme/orders', start },
    { k: 'held', ...failed, n: 1, holder: 'one', epoch: 2, asked: END_MS },
    ...lost.map(row => handed(failed, 1, row)),
    { k: 'held', ...failed, n: 2, holder: 'two', epoch: 1, asked: END_MS + 5 },
    ...orders.slice(place + 1).map(row => handed(failed, 2, row)),
    ...acknowledged(failed, 1, 1, orders.at(-1)?.id),
    { k: 'cursor', ...failed, position: orders.length },
  ]
}

export function withOtherWebhooks(history: readonly Entry[]): Entry[] {
  const all = rows(history)
  const webhook = { stream: FEED, form: 'ndjson', start: '0.aaaaaa' }
  const order = all.flatMap((_, place) => (place % 2 === 0 ? [place + 1, place] : []))
  const delivered = order.flatMap(place => all[place] ?? [])
  return [
    ...history,
    { k: 'webhook', webhook: 'acme/parallel', isOrdered: false, ...webhook },
    ...delivered.flatMap(({ id, type, h }, n): Entry[] => {
      const at = { t: END_MS, webhook: 'acme/parallel', d: n + 1 }
      const delivery = { k: 'delivery' as const, ...at, id, type, h: h.ndjson ?? '', isSigned: true }
      return [delivery, { k: 'accepted', ...at }]
    }),
    { k: 'webhook', webhook: 'acme/hopeless', isOrdered: true, ...webhook, mayLack: true },
    { k: 'fault', t: END_MS, fault: 'retention', stream: FEED },
    { k: 'webhook', webhook: 'acme/moved', isOrdered: true, ...webhook },
    { k: 'redirected', t: END_MS, webhook: 'acme/moved', reason: 'retention', after: all.at(-1)?.id ?? '' },
  ]
}

/** Of jobs whose publishers are unknown. */
export function withOtherJobs(history: readonly Entry[]): Entry[] {
  return [
    ...history,
    ...jobOf('acme/job:7', [
      ['job.created'],
      ['job.started', 'one', 1],
      ['output', 'one'],
      ['job.requeued'],
      ['job.started', 'two', 2],
      ['output', 'two'],
      ['job.completed', 'two'],
    ]),
    { k: 'job', t: END_MS, asked: END_MS, job: 'acme/job:7', did: 'claimed', runner: 'one', attempt: 1 },
    {
      k: 'job',
      t: END_MS,
      asked: END_MS,
      job: 'acme/job:7',
      did: 'told',
      runner: 'one',
      attempt: 1,
      count: 1,
    },
    { k: 'job', t: END_MS + 9, asked: END_MS, job: 'acme/job:7', did: 'claimed', runner: 'two', attempt: 2 },
    { k: 'job', t: END_MS, asked: END_MS, job: 'acme/job:9', did: 'submitted' },
    { k: 'fault', t: END_MS + 1, fault: 'lost-tail', stream: 'acme/job:9' },
    // A tail took the first claim of the attempt.
    { k: 'job', t: END_MS, asked: END_MS, job: 'acme/job:10', did: 'claimed', runner: 'one', attempt: 1 },
    { k: 'fault', t: END_MS + 1, fault: 'lost-tail', stream: 'acme/job:10' },
    {
      k: 'job',
      t: END_MS + 99,
      asked: END_MS + 98,
      job: 'acme/job:10',
      did: 'claimed',
      runner: 'two',
      attempt: 1,
    },
    ...jobOf('acme/job:10', [['job.created'], ['job.started', 'two', 1], ['job.completed', 'two']]),
    ...jobOf('acme/job:8', [
      ['job.created', 'editor'],
      ['job.cancelled', 'editor'],
    ]),
  ]
}

export function withJobAgain(history: readonly Entry[]): Entry[] {
  const stream = 'acme/job:11'
  const at = (n: number) => ({ t: END_MS, c: 'patient', n })
  const lost = { stream, type: 'job.created', h: { sse: 'aaaaaaaaaaaa' } }
  const again = { stream, type: 'job.created', h: { sse: 'bbbbbbbbbbbb' } }
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'lost-tail', stream },
    { k: 'log', stream, base: '0.aaaaaa' },
    { k: 'row', id: '1.dddddd', ...again },
    { k: 'row', id: '2.dddddd', ...again, type: 'job.cancelled' },
    { k: 'row', id: '1.cccccc', after: '0.cccccc', ...lost, lost: true },
    { k: 'client', client: 'patient', stream, form: 'sse', from: 'beginning' },
    { k: 'open', ...at(1) },
    { k: 'status', ...at(1), status: 200 },
    { k: 'notice', ...at(1), name: 'server.state', id: '0.cccccc' },
    { k: 'frame', ...at(1), id: '1.cccccc', type: 'job.created', h: 'aaaaaaaaaaaa' },
    { k: 'close', ...at(1), by: 'server' },
    { k: 'open', ...at(2), id: '1.cccccc' },
    { k: 'status', ...at(2), status: 200 },
    { k: 'notice', ...at(2), name: 'reset', id: '2.dddddd', reason: 'history-lost' },
  ]
}

function jobOf(stream: string, events: readonly (readonly [string, string?, number?])[]): Entry[] {
  const terminal = ['job.completed', 'job.failed', 'job.cancelled']
  return [
    { k: 'log', stream, base: '0.aaaaaa', terminal },
    ...events.map(([type, by, attempt], index): Entry => {
      const more = { ...(by && { by }), ...(attempt && { attempt }) }
      return { k: 'row', stream, id: `${index + 1}.dddddd`, type, h: {}, ...more }
    }),
  ]
}
