import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { as } from '../harness/gateway.js'
import { byNight } from '../harness/nightly.js'
import { preparePostgres, withoutFreezing } from '../harness/postgres.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { execute } from '../harness/server.js'
import { until } from '../harness/until.js'

const DOWN_MS = byNight(20_000, 600_000)
const FROZEN_MS = byNight(12_000, 600_000)
const PUBLISHERS = 3
const PATIENCE_MS = 60_000
const PUBLISH_EVERY_MS = 20
const env = { HEARTBEAT_MS: '1000' }

/** With NOTIFY switched off there is no listener to lose. */
const listens = process.env.BUS_NOTIFY !== 'off'

t.test(
  `Postgres is down for ${DOWN_MS / 1_000} s: streams stay open, no event is lost or duplicated`,
  async t => {
    const postgres = await preparePostgres(t)
    await postgres.start()
    const gateway = await startProcess(t, { databaseUrl: postgres.url, env })
    const stream = await follow(t, gateway)
    const publishers = startPublishers(t, gateway)
    await stream.until(20, 'thing.made')

    await postgres.stop()
    await untilState(stream, 'degraded')
    const before = stream.messages.length
    const refused = await fetch(`${gateway.url}/api/events`, {
      method: 'POST',
      body: '{"type":"thing.made","data":{}}',
      headers: { ...as('editor'), 'content-type': 'application/json' },
    })
    let told: Record<string, unknown> = {}
    const hasNoticed = async () => {
      const ready = await fetch(`${gateway.url}/ready`)
      told = { code: ready.status, ...Object(await ready.json()) }
      return told.bus !== 'listening'
    }
    await until('the gateway says that its listener has lost its connection', hasNoticed)
    const newcomer = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer', 'globex') })
    await pause(DOWN_MS)
    await stream.until(() => stream.messages.length >= before + 10)

    t.equal(refused.status, 503)
    t.match(refused.headers.get('retry-after'), /^\d+$/)
    t.match(await refused.json(), { code: 'database-unavailable', retry_after: Number })
    t.match(told, {
      code: 503,
      status: 'unready',
      mode: 'degraded',
      database: 'down',
      bus: listens ? 'down' : 'off',
    })
    t.equal(newcomer.response.statusCode, 200)
    t.match(await newcomer.until(1), [{ event: 'unavailable', data: '{"reason":"database"}' }])
    t.equal(newcomer.retries.length, 1)
    t.equal(await newcomer.ended(), true)
    const meanwhile = stream.messages.slice(before)
    t.ok(
      meanwhile.every(({ event }) => event === 'heartbeat'),
      'heartbeats went on',
    )

    await postgres.start()
    publishers.acknowledged.push(
      await measure(t, stream, postgres.url, 'after Postgres took connections again'),
    )
    await publishers.stop()

    t.ok(publishers.refusals > 0, 'publishers were sent away meanwhile, and came back')
    await sameAsLog(t, stream, postgres.url, publishers.acknowledged)
    t.equal(await gateway.stop(), 0)
  },
)

t.test(
  'Postgres freezes with every connection open: noticed, and over when it thaws',
  { skip: withoutFreezing() },
  async t => {
    const postgres = await preparePostgres(t)
    await postgres.start()
    const gateway = await startProcess(t, { databaseUrl: postgres.url, env })
    const stream = await follow(t, gateway)
    const publishers = startPublishers(t, gateway)
    await stream.until(20, 'thing.made')

    await postgres.freeze()
    const before = stream.messages.length
    const frozen = pause(FROZEN_MS)
    const newcomer = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer', 'globex') })
    await untilState(stream, 'degraded')
    await frozen
    await stream.until(
      () => stream.messages.slice(before).filter(({ event }) => event === 'heartbeat').length >= 5,
    )
    postgres.thaw()
    publishers.acknowledged.push(await measure(t, stream, postgres.url, 'after Postgres thawed'))
    await publishers.stop()

    t.match((await newcomer.until(1))[0], { event: 'unavailable', data: '{"reason":"database"}' })
    await sameAsLog(t, stream, postgres.url, publishers.acknowledged)
    t.equal(await gateway.stop(), 0)
  },
)

async function losesItsListener(t: Test): Promise<void> {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env })
  const stream = await follow(t, gateway)
  const acknowledged: string[] = []
  const listeners = `select pid from pg_stat_activity where datname = current_database() and application_name = 'sluice listen'`

  for (let round = 1; round <= 5; round += 1) {
    await until('the bus listens', async () => (await ready(gateway)).bus === 'listening')
    await pool.query(`select pg_terminate_backend(pid) from (${listeners}) as listener`)
    // From SQL: the gateway learns of it by its listener or by its poll alone.
    acknowledged.push(await measure(t, stream, databaseUrl, 'after the listener was terminated'))
  }

  const log = await readLog(databaseUrl)
  t.same(
    log.map(({ eventId }) => eventId),
    acknowledged,
  )
  t.same(
    seenBy(stream),
    log.map(({ position, data }) => ({ position, data })),
  )
  t.equal(await gateway.stop(), 0)
}

if (listens) t.test('the listener loses its connection again and again: nothing is lost', losesItsListener)

function follow(t: Test, gateway: GatewayProcess): Promise<EventStream> {
  return openStream(t, `${gateway.url}/api/events?from=beginning`, {
    headers: as('viewer'),
    patienceMs: PATIENCE_MS,
  })
}

async function untilState(stream: EventStream, mode: string): Promise<void> {
  await stream.until(states => states.at(-1)?.data.startsWith(`{"mode":"${mode}"`) === true, 'server.state')
}

/** Publishers that never give up: what is refused is sent again, after as long as asked, under its own key. */
function startPublishers(t: Test, gateway: GatewayProcess) {
  const acknowledged: string[] = []
  const stopping = new AbortController()
  const counts = { refusals: 0 }
  const publishOne = async (body: string) => {
    const headers = { ...as('editor'), 'content-type': 'application/json', 'idempotency-key': randomUUID() }
    for (;;) {
      const response = await fetch(`${gateway.url}/api/events`, { method: 'POST', headers, body })
      const document = Object(await response.json())
      if (response.status === 201) return acknowledged.push(document.events[0].event_id)
      if (response.status !== 503) throw new Error(`${response.status} ${JSON.stringify(document)}`)
      counts.refusals += 1
      await pause(Number(response.headers.get('retry-after')) * 1_000)
    }
  }
  const running = Promise.all(
    Array.from({ length: PUBLISHERS }, async (_, publisher) => {
      for (let n = 1; !stopping.signal.aborted; n += 1) {
        await publishOne(JSON.stringify({ type: 'thing.made', data: { publisher, n } }))
        await pause(PUBLISH_EVERY_MS)
      }
    }),
  )
  running.catch(() => {})
  const stop = async () => {
    stopping.abort()
    await running
  }
  t.teardown(() => stopping.abort())
  return {
    acknowledged,
    stop,
    get refusals() {
      return counts.refusals
    },
  }
}

/** Prints how long it takes until an event that is published now, from SQL, is delivered. Returns its id. */
async function measure(t: Test, stream: EventStream, url: string, since: string): Promise<string> {
  const began = performance.now()
  const data = JSON.stringify({ marker: randomUUID() })
  const { rows } = await execute(url, `select sluice.publish('acme', 'feed', 'thing.made', '${data}') as id`)
  await stream.until(messages => messages.some(message => message.data === data))
  t.comment(`delivered ${ms(began)} ${since}`)
  await untilState(stream, 'normal')
  t.comment(`server.state normal ${ms(began)} ${since}`)
  return rows[0].id
}

function ms(began: number): string {
  return `${Math.round(performance.now() - began)} ms`
}

interface Row {
  readonly position: string
  readonly eventId: string
  readonly data: string
}

/** What was acknowledged is in the log once, and the stream has had the log, whole and in order. */
async function sameAsLog(t: Test, stream: EventStream, url: string, acknowledged: string[]): Promise<void> {
  const log = await readLog(url)
  await stream.until(log.length, 'thing.made')
  t.same(
    seenBy(stream),
    log.map(({ position, data }) => ({ position, data })),
    'the client saw the log',
  )
  t.same(log.map(({ eventId }) => eventId).sort(), [...acknowledged].sort(), 'each publish is there once')
  t.equal(new Set(log.map(({ data }) => data)).size, log.length, 'and no retry is there twice')
}

function seenBy(stream: EventStream) {
  const events = stream.messages.filter(({ event }) => !['heartbeat', 'server.state'].includes(event ?? ''))
  return events.map(({ id, data }) => ({ position: id?.split('.')[0], data }))
}

async function readLog(url: string): Promise<Row[]> {
  const { rows } = await execute(
    url,
    `select e."position"::text, e.event_id as "eventId", e.data::text
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' order by e."position"`,
  )
  return rows
}

async function ready(gateway: GatewayProcess): Promise<{ bus: string }> {
  return Object(await (await fetch(`${gateway.url}/ready`)).json())
}
