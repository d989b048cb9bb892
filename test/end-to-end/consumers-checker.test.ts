/** Consumers under kills of gateways, of Postgres and of their holders: at least once, in order, one epoch at a time. */
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { createPool, type Database } from '../../src/database/pool.js'
import type { Position } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'
import { as } from '../harness/gateway.js'
import { byNight } from '../harness/nightly.js'
import { preparePostgres } from '../harness/postgres.js'
import { startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'
import { Holder, type HolderForm, LAST } from './consumer-holder.js'
import { ConsumerLedger, type Due } from './consumer-ledger.js'
import { Random } from './random.js'

const CHAOS_MS = byNight(12_000, 300_000)
/** After that, everything must be acknowledged within this time. */
const SETTLED_MS = 60_000
const PUBLISH_MS = { least: 5, most: 40 } as const
const SAMPLE_MS = 20
const HOLDERS = 2

const SSE = 'text/event-stream'
const LINES = 'application/x-ndjson'
const PAGES = 'application/json'

interface Consumer {
  readonly name: string
  readonly stream: string
  readonly settings: { readonly max_in_flight: number; readonly types?: string; readonly where?: string }
  readonly forms: readonly [HolderForm, HolderForm]
  readonly wants: (type: string, data: { readonly n: number }) => boolean
}

const CONSUMERS: readonly Consumer[] = [
  { name: 'all', stream: 'feed', settings: { max_in_flight: 256 }, forms: [SSE, LINES], wants: () => true },
  { name: 'narrow', stream: 'feed', settings: { max_in_flight: 5 }, forms: [LINES, SSE], wants: () => true },
  {
    name: 'rare',
    stream: 'feed',
    settings: { max_in_flight: 1, types: `check.rare,${LAST}` },
    forms: [SSE, SSE],
    wants: type => type !== 'check.common',
  },
  {
    name: 'pages',
    stream: 'orders',
    settings: { max_in_flight: 30 },
    forms: [PAGES, PAGES],
    wants: () => true,
  },
  {
    name: 'some',
    stream: 'orders',
    settings: { max_in_flight: 10, where: 'data.n ge 5' },
    forms: [SSE, PAGES],
    wants: (_, { n }) => n >= 5,
  },
]

const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000)

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
  const ledgers = CONSUMERS.map(({ name, settings }) => new ConsumerLedger(name, settings.max_in_flight))
  for (const { name, stream, settings } of CONSUMERS) {
    const { status } = await fetch(`${first.url}/api/consumers/${name}`, {
      method: 'PUT',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify({ ...settings, stream, start: 'beginning', ack_timeout_ms: 1_000 }),
    })
    t.equal(status, 201)
  }
  const byConsumer = ledgers.map((ledger, n) =>
    Array.from({ length: HOLDERS }, (_, m) => {
      const form = CONSUMERS[n]?.forms[m] ?? SSE
      return new Holder({ ledger, origins, form, random: random.fork(), ...as('editor') })
    }),
  )
  const holders = byConsumer.flat()
  const stop = () => holders.forEach(each => void each.stop())
  t.teardown(stop)
  const holding = Promise.all(holders.map(each => each.hold()))
  const stopping = new AbortController()
  t.teardown(() => stopping.abort())
  const publishing = publish(pool, random.fork(), stopping.signal)

  const sampling = sample(pool, ledgers, stopping.signal)

  await pause(CHAOS_MS / 4)
  await first.kill()
  const third = await startProcess(t, { databaseUrl, port: first.port })
  await pause(CHAOS_MS / 4)
  await postgres.stop()
  await pause(CHAOS_MS / 12)
  await postgres.start()
  await pause(CHAOS_MS / 4)
  await second.kill()
  const fourth = await startProcess(t, { databaseUrl, port: second.port })
  await pause(CHAOS_MS / 6)
  stopping.abort()
  await publishing
  await sampling
  for (const each of holders) each.settle()
  for (const stream of ['feed', 'orders'])
    await pool.query('select sluice.publish($1, $2, $3, $4)', ['acme', stream, LAST, '{"n":9}'])

  const due = await Promise.all(CONSUMERS.map(consumer => dueOf(pool, consumer)))
  const cursors = () => Promise.all(CONSUMERS.map(({ name }) => cursorOf(pool, name)))
  const isDone = async () => (await cursors()).every((cursor, n) => cursor >= (due[n]?.at(-1)?.position ?? 0))
  await until('every consumer has everything acknowledged', isDone, SETTLED_MS).catch(error => t.fail(error))
  // The one before has ended, or ends when its process learns that it has lost its consumer.
  const areSingle = () => byConsumer.every(group => group.filter(each => each.isHolding).length < 2)
  await until('each consumer has one stream', areSingle, SETTLED_MS).catch(error => t.fail(error))
  stop()
  await holding

  const ends = await cursors()
  const faults = ledgers.flatMap((ledger, n) => ledger.faults(due[n] ?? [], ends[n] ?? 0))
  t.strictSame(faults.slice(0, 20), [], `${faults.length} faults`)
  for (const gateway of [first, second, third, fourth])
    t.notMatch(gateway.output(), /"level":[56]0/, 'no gateway had a fault of its own')
  for (const [n, { name, handings, acks, refusals }] of ledgers.entries()) {
    const events = handings.reduce((sum, handing) => sum + handing.events.length, 0)
    const epochs = new Set(handings.map(({ epoch }) => epoch)).size
    const refused = acks.filter(({ status }) => status === 409).length
    t.comment(
      `${name}: ${due[n]?.length} events, handed out ${events} times in ${epochs} epochs, ` +
        `${acks.length} acknowledgements, ${refused} of them refused, ${refusals} requests refused`,
    )
    t.ok(epochs > 2 && events > (due[n]?.length ?? 0), `${name} changed hands, and was handed out again`)
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
async function sample(
  pool: Database,
  ledgers: readonly ConsumerLedger[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const ledger of ledgers) {
      const cursor = await cursorOf(pool, ledger.name).catch(() => 0)
      ledger.samples.push({ cursor, sent: ledger.sent })
    }
    await pause(SAMPLE_MS)
  }
}

async function dueOf(pool: Database, { stream, wants }: Consumer): Promise<Due[]> {
  const { rows } = await pool.query<{ position: Position; uuid: string; type: string; data: string }>(
    `select e."position", e.event_id as uuid, e.type, e.data from sluice.events e
       join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = $1 order by e."position"`,
    [stream],
  )
  return rows
    .filter(({ type, data }) => wants(type, JSON.parse(data)))
    .map(({ position, uuid, data }) => ({ id: formatEventId(position, uuid), position, data }))
}

async function cursorOf(pool: Database, name: string): Promise<number> {
  const { rows } = await pool.query<{ position: number }>(
    'select cursor_position as position from sluice.consumers where name = $1',
    [name],
  )
  return rows[0]?.position ?? 0
}
