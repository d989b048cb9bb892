/** Consumers under kills of gateways, of Postgres and of their holders: at least once, in order, one epoch at a time. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { createPool, type Database } from '../../src/database/pool.js'
import { recordTable, type TableEvent, WRITTEN } from '../checker/recorded-table.js'
import { Recorder } from '../checker/recorder.js'
import type { RecordedConsumer } from '../checker/work-recorder.js'
import { Holder, type HolderForm, type HolderTally } from '../followers/consumer-holder.js'
import { END } from '../followers/place.js'
import { as } from '../harness/gateway.js'
import { byNight } from '../harness/nightly.js'
import { preparePostgres } from '../harness/postgres.js'
import { startProcess } from '../harness/process.js'
import { seedOfRun } from '../harness/seed.js'
import { until } from '../harness/until.js'
import { Random } from './random.js'

const CHAOS_MS = byNight(12_000, 300_000)
/** After that, everything must be acknowledged within this time. */
const SETTLED_MS = 60_000
const PUBLISH_MS = { least: 5, most: 40 } as const
const SAMPLE_MS = 20

const SSE = 'text/event-stream'
const LINES = 'application/x-ndjson'
const PAGES = 'application/json'

interface Consumer {
  readonly name: string
  readonly stream: string
  readonly settings: { readonly max_in_flight: number; readonly types?: string; readonly where?: string }
  readonly forms: readonly [HolderForm, HolderForm]
}

interface Held extends Consumer {
  readonly record: RecordedConsumer
  readonly tally: HolderTally
}

const CONSUMERS: readonly Consumer[] = [
  { name: 'all', stream: 'feed', settings: { max_in_flight: 256 }, forms: [SSE, LINES] },
  { name: 'narrow', stream: 'feed', settings: { max_in_flight: 5 }, forms: [LINES, SSE] },
  {
    name: 'rare',
    stream: 'feed',
    settings: { max_in_flight: 1, types: `check.rare,${END}` },
    forms: [SSE, SSE],
  },
  { name: 'pages', stream: 'orders', settings: { max_in_flight: 30 }, forms: [PAGES, PAGES] },
  {
    name: 'some',
    stream: 'orders',
    settings: { max_in_flight: 10, where: 'data.n ge 5' },
    forms: [SSE, PAGES],
  },
]
/** By `where`, or all events. */
const FORMS = {
  value: WRITTEN.value,
  'data.n ge 5': (event: TableEvent) => (JSON.parse(event.data).n >= 5 ? WRITTEN.value(event) : undefined),
}

const seed = seedOfRun()

t.test(`each consumer hands out and acknowledges exactly its events (SLUICE_SEED=${seed})`, async t => {
  const random = new Random(seed)
  const postgres = await preparePostgres(t)
  await postgres.start()
  const databaseUrl = postgres.url
  const first = await startProcess(t, { databaseUrl })
  const second = await startProcess(t, { databaseUrl })
  const pool = createPool(databaseUrl, { max: 4, name: 'test', onError: () => undefined })
  t.teardown(() => pool.end())
  const origins = [first.url, second.url]
  for (const stream of ['feed', 'orders'])
    await pool.query('select sluice.ensure_stream($1, $2)', ['acme', stream])
  const planned = ['gateway-killed', 'postgres-stopped']
  const recorder = new Recorder({ path: join(t.testdir(), 'history.jsonl'), header: { seed, planned } })
  const consumers: Held[] = []
  for (const each of CONSUMERS) {
    const { name, stream, settings } = each
    const response = await fetch(`${first.url}/api/consumers/${name}`, {
      method: 'PUT',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify({ ...settings, stream, start: 'beginning', ack_timeout_ms: 1_000 }),
    })
    t.equal(response.status, 201)
    const { cursor } = (await response.json()) as { cursor: string }
    const record = recorder.consumer({
      consumer: name,
      stream: `acme/${stream}`,
      form: settings.where ?? 'value',
      ...(settings.types && { types: settings.types.split(',') }),
      start: cursor,
      maxInFlight: settings.max_in_flight,
    })
    consumers.push({ ...each, record, tally: { epochs: new Set(), ids: new Set(), handed: 0, refusals: 0 } })
  }
  const byConsumer = consumers.map(({ name: consumer, forms, ...shared }) =>
    forms.map((form, n) => {
      const name = `${consumer} ${n}`
      return new Holder({ ...shared, name, consumer, form, origins, random: random.fork(), ...as('editor') })
    }),
  )
  const holders = byConsumer.flat()
  const stop = () => holders.forEach(each => void each.stop())
  t.teardown(stop)
  const holding = Promise.all(holders.map(each => each.hold()))
  const stopping = new AbortController()
  t.teardown(() => stopping.abort())
  const publishing = publish(pool, random.fork(), stopping.signal)

  const sampling = sample(pool, consumers, stopping.signal)

  await pause(CHAOS_MS / 4)
  recorder.fault('gateway-killed')
  await first.kill()
  const third = await startProcess(t, { databaseUrl, port: first.port })
  await pause(CHAOS_MS / 4)
  recorder.fault('postgres-stopped')
  await postgres.stop()
  await pause(CHAOS_MS / 12)
  await postgres.start()
  recorder.healed('postgres-stopped')
  await pause(CHAOS_MS / 4)
  recorder.fault('gateway-killed')
  await second.kill()
  const fourth = await startProcess(t, { databaseUrl, port: second.port })
  await pause(CHAOS_MS / 6)
  stopping.abort()
  await publishing
  await sampling
  for (const each of holders) each.settle()
  for (const stream of ['feed', 'orders'])
    await pool.query('select sluice.publish($1, $2, $3, $4)', ['acme', stream, END, '{"n":9}'])

  recorder.quiet()
  const areDone = () => everyConsumerIsDone(pool)
  await until('every consumer has everything acknowledged', areDone, SETTLED_MS).catch(error => t.fail(error))
  // The one before has ended, or ends when its process learns that it has lost its consumer.
  const areSingle = () => byConsumer.every(group => group.filter(each => each.isHolding).length < 2)
  await until('each consumer has one stream', areSingle, SETTLED_MS).catch(error => t.fail(error))
  stop()
  await holding

  for (const { name, record } of consumers) record.cursor(await cursorOf(pool, name))
  await recordTable({ pool, recorder, forms: FORMS })
  const verdict = await recorder.judge()
  t.equal(verdict.findings, 0, `${verdict}`)
  for (const gateway of [first, second, third, fourth])
    t.notMatch(gateway.output(), /"level":[56]0/, 'no gateway had a fault of its own')
  t.comment(`seed ${seed}: ${verdict}`)
  for (const { name, tally } of consumers) {
    const { epochs, ids, handed, refusals } = tally
    const times = `handed out ${ids.size} events ${handed} times in ${epochs.size} epochs`
    t.comment(`${name}: ${times}, ${refusals} requests refused`)
    t.ok(epochs.size > 2 && handed > ids.size, `${name} changed hands, and was handed out again`)
  }
})

/** Resolves when `signal` has aborted. What was committed is in the log. */
async function publish(pool: Database, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const type = random.chance(0.06) ? 'check.rare' : 'check.common'
    const event = ['acme', random.pick(['feed', 'orders']), type, `{"n":${random.between(0, 9)}}`]
    const count = random.between(1, 4)
    await pool
      .query(`select sluice.publish($1, $2, $3, $4) from generate_series(1, ${count})`, event)
      .catch(() => pause(100))
    await pause(random.between(PUBLISH_MS.least, PUBLISH_MS.most))
  }
}

/** The cursor must never pass what the clients have acknowledged. */
async function sample(pool: Database, consumers: readonly Held[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const { name, record } of consumers) {
      const position = await cursorOf(pool, name).catch(() => undefined)
      if (position !== undefined) record.cursor(position)
    }
    await pause(SAMPLE_MS)
  }
}

/** Nothing that a consumer wants stands after its cursor. The last event of each stream is for all of them. */
async function everyConsumerIsDone(pool: Database): Promise<boolean> {
  const { rows } = await pool.query(
    `select from sluice.consumers c join sluice.streams s on s.id = c.stream_id
       join sluice.events e on e.stream_id = s.id and e.type = $1 where c.cursor_position < e."position"`,
    [END],
  )
  return rows.length === 0
}

async function cursorOf(pool: Database, name: string): Promise<number> {
  const { rows } = await pool.query<{ position: number }>(
    'select cursor_position as position from sluice.consumers where name = $1',
    [name],
  )
  return rows[0]?.position ?? 0
}
