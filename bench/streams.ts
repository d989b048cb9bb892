/**
 * Many streams of one client each, the feeds of as many workspaces: CPU of the gateway and of Postgres for the first event of a
 * stream, which creates it, for its first client, for an event on each of the streams, and for all of them without events.
 */
import { setTimeout as pause } from 'node:timers/promises'
import limit from 'p-limit'
import { Pool } from 'undici'
import { Listener } from './listener.js'
import type { Row, Size } from './row.js'
import { withClient } from './seed.js'
import { eventsOf } from './server.js'
import { now, percentile, round, sorted } from './statistics.js'
import { type Subject, startSubject, tokenOf } from './subject.js'

const STREAMS = { default: [500], full: [500, 5_000] }
/** They compile the server's code, and their clients leave before the measurement. */
const WARM_UP_STREAMS = 100
const WARM_UP_EVENTS = 20
/** Requests at a time, for the first events and the first clients. */
const AT_ONCE = 16
/** Each stream has an event in this time, and the events of all streams are spread over it. */
const ROUND_MS = 5_000
/** In the first ones the heap grows again, which V8 has made smaller while there were no events. */
const FIRST_ROUNDS = 2
const ROUNDS = 3
const FIRST_EVENTS = 'an event, in the first rounds'
const EVENTS = 'an event'
const IDLE_MS = 15_000
/** A stream stays open for 10 s after its last client (src/hub/hub.ts). */
const LEFT_MS = 12_000
const PATIENCE_MS = 30_000

/** One stream and its client. */
interface Followed {
  readonly token: string
  /** When the request of event n was sent, in ns. */
  readonly sent: number[]
  client?: Listener
}

export async function streams(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const count of STREAMS[size]) rows.push(...(await measured(count)))
  return rows
}

async function measured(count: number): Promise<Row[]> {
  const subject = await startSubject()
  const bench = new Bench(subject)
  try {
    const others = followed('warm', WARM_UP_STREAMS)
    await bench.create(others)
    await bench.open(others)
    for (let n = 1; n <= WARM_UP_EVENTS; n += 1) await bench.eventOnEach(others, n, 0)
    for (const { client } of others) client?.close()
    await pause(LEFT_MS)

    const all = followed('many', count)
    const seconds = IDLE_MS / 1_000
    const rest = () => pause(IDLE_MS)
    const cases = [
      await bench.measure('a second without streams', seconds, rest),
      await bench.measure('the first event of a stream', count, () => bench.create(all)),
      await bench.measure('the first client of a stream', count, () => bench.open(all)),
      await bench.measure('a second without events', seconds, rest),
      await bench.measure(FIRST_EVENTS, count * FIRST_ROUNDS, () => bench.rounds(all, 1, FIRST_ROUNDS)),
      await bench.measure(EVENTS, count * ROUNDS, () =>
        bench.rounds(all, FIRST_ROUNDS + 1, FIRST_ROUNDS + ROUNDS),
      ),
    ]
    await check(subject, count * (1 + FIRST_ROUNDS + ROUNDS))
    const delays = new Map([
      [FIRST_EVENTS, delaysOf(all, 0, FIRST_ROUNDS)],
      [EVENTS, delaysOf(all, FIRST_ROUNDS)],
    ])
    return cases.map(row => {
      const sample = delays.get(row.what)
      const of = (percent: number) => (sample ? round(percentile(sample, percent)) : '')
      return {
        streams: count,
        ...row,
        'request→client p50 ms': of(50),
        'p99 ms': of(99),
        'longest ms': of(100),
      }
    })
  } finally {
    await bench.close()
    await subject.close()
  }
}

class Bench {
  readonly #subject: Subject
  readonly #publishing: Pool
  readonly #clients: Listener[] = []
  #fault: string | undefined

  constructor(subject: Subject) {
    this.#subject = subject
    this.#publishing = new Pool(subject.url, { connections: 128 })
  }

  /** CPU in microseconds: of the work, divided by `times`. */
  async measure(what: string, times: number, work: () => Promise<void>) {
    const { cpuSeconds, wholeCpuSeconds } = this.#subject
    const [gateway, whole] = [await cpuSeconds(), await wholeCpuSeconds()]
    await work()
    const used = (await cpuSeconds()) - gateway
    const postgres = (await wholeCpuSeconds()) - whole - used
    return { what, 'gateway µs': round((used * 1e6) / times), 'Postgres µs': round((postgres * 1e6) / times) }
  }

  async create(all: readonly Followed[]): Promise<void> {
    const slots = limit(AT_ONCE)
    await Promise.all(all.map(stream => slots(() => this.#publish(stream, 0))))
  }

  /** Resolves when each stream has its client. */
  async open(all: readonly Followed[]): Promise<void> {
    const { url, path, greeting } = this.#subject
    const slots = limit(AT_ONCE)
    const open = (stream: Followed) => {
      const client = new Listener({
        url,
        path,
        greeting,
        token: stream.token,
        first: 1,
        stalls: false,
        notes: true,
        onEvent() {},
        onFault: reason => {
          this.#fault ??= reason
        },
      })
      this.#clients.push(client)
      stream.client = client
      return client.open
    }
    await Promise.race([Promise.all(all.map(stream => slots(() => open(stream)))), this.#late()])
  }

  /** Publishes event n on each stream, one every `everyMs`; resolves when each client has it. */
  async eventOnEach(all: readonly Followed[], n: number, everyMs: number): Promise<void> {
    const start = performance.now()
    const publishing = all.map(async (stream, index) => {
      await pause(Math.max(0, start + index * everyMs - performance.now()))
      await this.#publish(stream, n)
    })
    await Promise.all(publishing)
    const end = performance.now() + PATIENCE_MS
    while (all.some(({ client }) => (client?.next ?? 0) <= n)) {
      if (this.#fault !== undefined) throw new Error(this.#fault)
      if (performance.now() > end) throw new Error(`Event ${n} has not reached all clients.`)
      await pause(10)
    }
  }

  /** Rounds of one event on each stream. */
  async rounds(all: readonly Followed[], first: number, last: number): Promise<void> {
    for (let n = first; n <= last; n += 1) await this.eventOnEach(all, n, ROUND_MS / all.length)
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.#publishing.close()
  }

  async #publish({ token, sent }: Followed, n: number): Promise<void> {
    sent[n] = now()
    const { statusCode, body } = await this.#publishing.request({
      method: 'POST',
      path: '/api/events',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(eventsOf(n, 1)[0]),
    })
    const text = await body.text()
    if (statusCode !== 201) throw new Error(`${statusCode} ${text}`)
  }

  async #late(): Promise<never> {
    await pause(PATIENCE_MS, undefined, { ref: false })
    throw new Error(this.#fault ?? 'Not every client was connected in time.')
  }
}

function followed(name: string, count: number): Followed[] {
  return Array.from({ length: count }, (_, index) => ({
    token: tokenOf(`${name}-${index}`, 'editor'),
    sent: [],
  }))
}

/** Milliseconds from the request of each event of some rounds to the client, sorted. */
function delaysOf(all: readonly Followed[], after: number, upTo?: number): number[] {
  const delays = all.flatMap(({ client, sent }) =>
    (client?.arrivals ?? [])
      .map((at, index) => (at - (sent[index + 1] ?? Number.NaN)) / 1e6)
      .slice(after, upTo),
  )
  return sorted(delays)
}

/** Every acknowledged event is stored. */
async function check({ databaseUrl }: Subject, published: number): Promise<void> {
  await withClient(databaseUrl, async client => {
    const { rows } = await client.query(
      `select count(*)::int as stored from sluice.events e
         join sluice.streams s on s.id = e.stream_id where s.workspace like 'many-%'`,
    )
    if (rows[0].stored !== published) {
      throw new Error(`${published} events were acknowledged, ${rows[0].stored} are stored.`)
    }
  })
}
