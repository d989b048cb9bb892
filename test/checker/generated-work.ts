/** The part of a generated history that is handed out: a consumer with two holders, an ordered webhook, and the answers to a job's runner. */
import type { Entry, EntryOf } from './history.js'

const CONSUMER = 'acme/all'
const WEBHOOK = 'acme/hook'
const FORM = 'ndjson'
const MOST_IN_FLIGHT = 8
const BATCH = 5
/** A holder leaves after so many batches. */
const BATCHES = 4
const REPEAT_EACH = 7

export interface GeneratedWork {
  readonly rows: readonly EntryOf<'row'>[]
  readonly base: string
  /** Grows with each call. */
  readonly now: () => number
}

/** Each holder acknowledges all of a batch but its last two events, which the next holder gets again. */
export function* consumed({ rows, base, now }: GeneratedWork): Generator<Entry> {
  const stream = rows[0]?.stream ?? ''
  yield { k: 'consumer', consumer: CONSUMER, stream, form: FORM, start: base, maxInFlight: MOST_IN_FLIGHT }
  let [place, holding, acknowledgement, batch] = [0, 0, 0, 0]
  const at = () => ({ t: now(), consumer: CONSUMER })
  while (place < rows.length) {
    if (batch % BATCHES === 0) {
      holding += 1
      const asked = now()
      yield { k: 'held', ...at(), n: holding, holder: `holder-${holding}`, epoch: holding, asked }
    }
    batch += 1
    const events = rows.slice(place, place + BATCH)
    for (const { id, type, h } of events)
      yield { k: 'handed', ...at(), n: holding, id, type, h: h[FORM] ?? '' }
    const isLeaving = batch % BATCHES === 0 && events.length === BATCH
    const id = events.at(isLeaving ? -3 : -1)?.id ?? ''
    acknowledgement += 1
    yield { k: 'acking', ...at(), a: acknowledgement, epoch: holding, id }
    yield { k: 'acked', ...at(), a: acknowledgement, status: 200, cursor: id }
    yield { k: 'cursor', ...at(), position: Number.parseInt(id, 10) }
    place += isLeaving ? BATCH - 2 : BATCH
  }
}

/** Some requests are not accepted, and sent again. */
export function* delivered({ rows, base, now }: GeneratedWork): Generator<Entry> {
  const stream = rows[0]?.stream ?? ''
  yield { k: 'webhook', webhook: WEBHOOK, stream, form: FORM, start: base, isOrdered: true }
  let d = 0
  for (const [place, { id, type, h }] of rows.entries()) {
    const attempts = place % REPEAT_EACH === 0 ? 2 : 1
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      d += 1
      const at = () => ({ t: now(), webhook: WEBHOOK, d })
      yield { k: 'delivery', ...at(), id, type, h: h[FORM] ?? '', isSigned: true }
      if (attempt === attempts) yield { k: 'accepted', ...at() }
    }
  }
}

export function* ranJob(job: string, now: () => number): Generator<Entry> {
  const of = { runner: 'runner', attempt: 1 }
  const at = () => ({ asked: now(), t: now(), job })
  yield { k: 'job', ...at(), did: 'submitted' }
  yield { k: 'job', ...at(), did: 'claimed', ...of }
  yield { k: 'job', ...at(), did: 'told', ...of, count: 2 }
  yield { k: 'job', ...at(), did: 'ended', ...of, type: 'job.completed' }
}
