/** GET /metrics: what a gateway has counted is what its clients have seen, and only an operator may read it. */
import t from 'tap'
import { HubTally } from '../../../src/hub/hub-tally.js'
import type { TailedStream } from '../../../src/hub/tailed-stream.js'
import type { Position } from '../../../src/log/event.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const EVENTS = 3
const BEHIND_MS = 600_000

t.test('the counters are those of the clients', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, { type: 'thing.made', data: { n: 0 } })
  const live = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await live.until(1)
  for (let n = 1; n <= EVENTS; n += 1) await publish(gateway, { type: 'thing.made', data: { n } })
  await live.until(1 + EVENTS)
  const back = await openStream(t, `${gateway.url}/api/events?from=beginning`, {
    headers: { ...as('viewer'), accept: 'application/x-ndjson' },
  })
  await until(
    'the past has arrived',
    async () => (await value(gateway, 'sluice_events_delivered_total')) === 2 * EVENTS + 1,
  )

  let seen = await metricsOf(gateway)
  await until('the database has answered in time for the jobs', async () => {
    seen = await metricsOf(gateway)
    return seen.has('sluice_jobs{status="queued"}')
  })
  t.equal(seen.get('sluice_clients{kind="feed",form="sse"}'), 1)
  t.equal(seen.get('sluice_clients{kind="feed",form="ndjson"}'), 1)
  t.equal(seen.get('sluice_streams_opened_total'), 2)
  t.equal(seen.get('sluice_events_published_total{way="http"}'), EVENTS + 1)
  t.equal(replayed(seen), EVENTS + 1)
  t.equal(seen.get('sluice_publish_duration_seconds_count'), EVENTS + 1)
  t.equal(
    seen.get('sluice_commit_to_delivery_seconds_count'),
    EVENTS,
    'each event once, when a client was live',
  )
  t.equal(seen.get('sluice_commit_to_delivery_seconds_bucket{le="+Inf"}'), EVENTS)
  t.ok((seen.get('sluice_delivered_bytes_total') ?? 0) > 0)
  t.equal(seen.get('sluice_mode{mode="normal"}'), 1)
  t.equal(seen.get('sluice_memory_processes{state="ample"}'), 1)
  t.equal(seen.get('sluice_jobs{status="queued"}'), 0)
  t.ok((seen.get('process_cpu_seconds_total') ?? 0) > 0)

  back.close()
  await until(
    'it is closed',
    async () => (await value(gateway, 'sluice_streams_closed_total{reason="client"}')) === 1,
  )
})

t.test('events are counted by the way in which they were published', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const live = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await live.until(1)
  await pool.query(
    `create table public.doors (id int); select sluice.watch('public.doors', 'door', workspace => 'acme')`,
  )

  await publish(gateway, { type: 'thing.made', data: {} })
  await pool.query(
    `select sluice.publish('acme', 'feed', 'said', '{}'), sluice.publish('acme', 'feed', 'said', '{}')`,
  )
  await pool.query(`insert into public.doors values (1), (2), (3)`)
  await live.until(1 + 6)

  const seen = await metricsOf(gateway)
  const read = (way: string) => seen.get(`sluice_events_read_total{way="${way}"}`)
  t.strictSame([read('sql'), read('watch'), read('backfill'), read('unknown')], [2, 3, 0, 0])
  t.equal(seen.get('sluice_events_published_total{way="http"}'), 1)
  t.equal(seen.get('sluice_events_published_total{way="item"}'), 0)
})

t.test('the lag is that of the streams that wait to be read, by kind; the canary has an age', async t => {
  const gateway = await startGateway(t, { env: { BUS_NOTIFY: 'on' } })
  const live = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await live.until(1)
  for (let n = 1; n <= EVENTS; n += 1) await publish(gateway, { type: 'thing.made', data: { n } })
  await live.until(1 + EVENTS)
  const { tailer } = gateway.app
  const feed = tailer.streams.find(({ kind }) => kind === 'feed')
  if (!feed) throw new Error('The feed is followed.')
  const stuck: TailedStream = {
    id: feed.id,
    kind: 'feed',
    head: { position: 1 as Position, eventId: '' },
    liveClients: 0,
    receive() {},
    restart() {},
    onDeleted() {},
  }
  const lag = (seen: ReadonlyMap<string, number>, unit: string, kind = 'feed') =>
    seen.get(`sluice_tailer_lag_${unit}{kind="${kind}"}`)

  await until('no lag', async () => lag(await metricsOf(gateway), 'events') === 0)
  // A poll of the tailer ends the wait.
  await until('a lag', async () => {
    tailer.tally.woken(stuck)
    const seen = await metricsOf(gateway)
    return (
      lag(seen, 'events') === EVENTS - 1 &&
      (lag(seen, 'seconds') ?? 0) > 0 &&
      lag(seen, 'events', 'access') === 0
    )
  })
  const access = tailer.streams.find(({ kind }) => kind === 'access')
  if (!access) throw new Error('The stream of revocations is followed.')
  await until('a lag of another kind', async () => {
    tailer.tally.woken({ ...stuck, id: access.id, kind: 'access', head: access.head })
    return (lag(await metricsOf(gateway), 'seconds', 'access') ?? 0) > 0
  })
  await until('a canary', async () => {
    const age = await value(gateway, 'sluice_listener_canary_age_seconds')
    return age !== undefined && age > 0 && age * 1_000 <= (gateway.app.bus.canaryAgeMs ?? 0)
  })
})

t.test('a reset, a refusal and the rate limit are counted by reason', async t => {
  const gateway = await startGateway(t, {
    env: { MAX_STREAMS_PER_PRINCIPAL: '1', RATE_LIMIT_MAX: '8' },
  })
  const lost = { ...as('viewer'), 'last-event-id': 'of another history' }
  const one = await openStream(t, `${gateway.url}/api/events`, { headers: lost })
  await one.until(1)
  const more = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await more.until(1)
  let status = 200
  while (status === 200) {
    const response = await fetch(`${gateway.url}/api/items`, { headers: as('viewer') })
    ;({ status } = response)
    await response.text()
  }

  const seen = await metricsOf(gateway)
  t.equal(status, 429)
  t.equal(seen.get('sluice_resets_total{reason="unknown-id"}'), 1)
  t.equal(seen.get('sluice_streams_refused_total{reason="limit"}'), 1)
  t.equal(seen.get('sluice_rate_limited_total{of="principal"}'), 1)
})

t.test('the clock of the database is taken into account', async t => {
  const gateway = await startGateway(t)
  const { database, hub } = gateway.app
  const { query } = database
  database.query = (async (...given: Parameters<typeof query>) => {
    const answer = (await query.apply(database, given)) as unknown as { rows: { at?: number }[] }
    const [row] = answer.rows
    if (JSON.stringify(given).includes('sluice-heartbeat') && row?.at) row.at -= BEHIND_MS
    return answer
  }) as unknown as typeof query
  t.teardown(() => {
    database.query = query
  })
  await until('a heartbeat has read it', () => Math.abs(hub.tally.clockAheadMs + BEHIND_MS) < BEHIND_MS / 2)

  const tally = new HubTally()
  tally.clockAheadMs = hub.tally.clockAheadMs
  const event = {
    position: 1 as Position,
    eventId: '',
    at: new Date(Date.now() - BEHIND_MS),
    type: 'a',
    data: '{}',
  }
  tally.delivered([{ event }], performance.now(), 1)

  t.ok(tally.commitToDelivery.sum < BEHIND_MS / 2_000, `${tally.commitToDelivery.sum} s`)
  const [, shown] =
    /^sluice_database_clock_ahead_seconds (\S+)$/m.exec(await gateway.app.metrics.text()) ?? []
  t.ok(Math.abs(Number(shown) * 1_000 + BEHIND_MS) < BEHIND_MS / 2, `${shown} s`)
})

t.test('only an operator may read them', async t => {
  const gateway = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'acme' } })
  const status = async (headers: Readonly<Record<string, string>>) =>
    (await fetch(`${gateway.url}/metrics`, { headers })).status
  const limited = bearer(
    token({ role: 'admin', workspace: 'acme', sub: 'partner', sluice: { subscribe: ['feed'] } }),
  )

  t.strictSame(
    await Promise.all([
      status({}),
      status(as('viewer')),
      status(limited),
      status(as('admin', 'globex')),
      status(as('admin')),
    ]),
    [401, 403, 403, 403, 200],
  )
})

t.test('without a database the other metrics are still there', async t => {
  const gateway = await startGateway(t)
  const { database } = gateway.app
  const { query } = database
  database.query = (() => Promise.reject(new Error('away'))) as unknown as typeof query
  t.teardown(() => {
    database.query = query
  })

  const text = await gateway.app.metrics.text()

  t.match(text, /^sluice_mode\{mode="normal"\} 1$/m)
  t.notMatch(text, /^sluice_jobs\{/m)
})

async function metricsOf({ url }: Gateway): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers: as('admin') })
  if (response.headers.get('content-type') !== 'text/plain; version=0.0.4; charset=utf-8')
    throw new Error(`${response.status} ${response.headers.get('content-type')}`)
  const lines = (await response.text()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  )
}

async function value(gateway: Gateway, name: string): Promise<number | undefined> {
  return (await metricsOf(gateway)).get(name)
}

function replayed(seen: ReadonlyMap<string, number>): number {
  return [...seen].reduce(
    (sum, [name, n]) => sum + (name.startsWith('sluice_events_replayed_total') ? n : 0),
    0,
  )
}
