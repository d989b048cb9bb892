/** GET /metrics: each figure is that of its own source, which some tests of the counters could not tell from another one's. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import t from 'tap'
import type {} from '../../../plugins/retention.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

t.test('each duration is counted under its own name', async t => {
  const { app } = await startGateway(t)
  const { commit, publish: published } = app.publisher.tally
  const { readToWrite, commitToDelivery } = app.hub.tally
  const durations = [published, commit, app.tailer.tally.wakeToRead, readToWrite, commitToDelivery]
  const before = await countsOf(app)

  for (const [at, duration] of durations.entries())
    for (let n = 0; n < 100 * (at + 1); n += 1) duration.observe(0.001)

  const after = await countsOf(app)
  t.strictSame(
    after.map((count, at) => Math.floor((count - (before[at] ?? 0)) / 100)),
    [1, 2, 3, 4, 5],
  )
})

t.test('reads, followed streams, the bus, memory and the event loop are those of the process', async t => {
  const gateway = await startGateway(t, { env: { BUS_NOTIFY: 'on' } })
  const { bus, memory, tailer } = gateway.app
  await publish(gateway, { type: 'a.made', data: {} }, { stream: 'rooms/1' })
  const live = await openStream(t, `${gateway.url}/api/events?stream=rooms/1`, { headers: as('viewer') })
  await publish(gateway, { type: 'a.made', data: {} }, { stream: 'rooms/1' })
  await live.until(1, 'a.made')
  await until('the queue of notifications was measured', () => bus.queueUse !== undefined)

  const { reads } = tailer.tally
  const seen = await metricsOf(gateway.app)

  t.ok(reads > 0)
  t.ok((seen.get('sluice_tailer_reads_total') ?? 0) >= reads)
  t.equal(seen.get('sluice_streams_followed'), tailer.streams.length)
  t.equal(seen.get(`sluice_bus_processes{state="${bus.status}"}`), 1)
  t.equal(seen.get('sluice_notify_queue_ratio'), bus.queueUse)
  t.equal(seen.get(`sluice_memory_processes{state="${memory.state}"}`), 1)
  t.ok(isShare(seen.get('sluice_memory_used_ratio')))
  t.ok(isShare(seen.get('sluice_event_loop_utilization_ratio')))
})

t.test('connections are busy, idle or waited for', async t => {
  const { app } = await startGateway(t, { env: { DATABASE_POOL: '2' } })
  const held = [await app.database.connect(), await app.database.connect()]
  const waiting = app.database.connect()

  const exhausted = await metricsOf(app)
  for (const client of held) client.release()
  ;(await waiting).release()

  const of = (seen: ReadonlyMap<string, number>, state: string) =>
    seen.get(`sluice_pool_connections{pool="requests",state="${state}"}`)
  t.strictSame([of(exhausted, 'busy'), of(exhausted, 'idle')], [2, 0])
  t.ok((exhausted.get('sluice_pool_waiting_requests{pool="requests"}') ?? 0) >= 1)
  await until('both are idle', async () => {
    const free = await metricsOf(app)
    return of(free, 'busy') === 0 && of(free, 'idle') === 2
  })
})

t.test('what retention has removed, and lost leases, are those that the process has counted', async t => {
  const { app } = await startGateway(t)
  await until('a first sweep', () => app.retention.succeededAt !== undefined, 60_000)
  app.retention.removed.set('events', 7)
  app.leases.lost = 3
  app.retention.succeededAt = 1_700_000_000_000

  const seen = await metricsOf(app)

  t.equal(seen.get('sluice_retention_removed_rows_total{rows="events"}'), 7)
  t.equal(seen.get('sluice_job_leases_lost_total'), 3)
  t.equal(seen.get('sluice_retention_last_success_timestamp_seconds'), 1_700_000_000)
})

t.test('jobs are counted by status, and the one that waits for longest has an age', async t => {
  const { app, url } = await startGateway(t)
  for (const started of [true, true, false, false, false]) {
    const headers = { ...as('editor'), 'content-type': 'application/json' }
    const body = JSON.stringify({ kind: 'build', started })
    await (await fetch(`${url}/api/jobs`, { method: 'POST', headers, body })).text()
  }
  await app.database.query(
    `update sluice.jobs set queued_at = queued_at - interval '1 hour' where status = 'queued'`,
  )

  let seen = await metricsOf(app)
  await until('the database has answered in time for them', async () => {
    seen = await metricsOf(app)
    return seen.has('sluice_jobs{status="running"}')
  })

  t.equal(seen.get('sluice_jobs{status="running"}'), 2)
  t.equal(seen.get('sluice_jobs{status="queued"}'), 3)
  t.ok((seen.get('sluice_job_queue_age_seconds') ?? 0) >= 3_600)
})

t.test('bytes wait for a client that does not read', async t => {
  const gateway = await startGateway(t)
  const sent = request(`${gateway.url}/api/events`, { headers: as('viewer'), agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  t.teardown(() => sent.destroy())
  response.pause()
  const event = { type: 'a.made', data: { text: 'x'.repeat(200_000) } }

  await until('bytes wait', async () => {
    await publish(gateway, [event, event, event])
    return ((await metricsOf(gateway.app)).get('sluice_client_waiting_bytes') ?? 0) > 0
  })
  t.pass()
})

async function metricsOf(app: Gateway['app']): Promise<ReadonlyMap<string, number>> {
  const lines = (await app.metrics.text()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  )
}

function isShare(ratio = 0): boolean {
  return ratio > 0 && ratio <= 1
}

async function countsOf(app: Gateway['app']): Promise<number[]> {
  const seen = await metricsOf(app)
  return ['publish_duration', 'commit_duration', 'wake_to_read', 'read_to_write', 'commit_to_delivery'].map(
    name => seen.get(`sluice_${name}_seconds_count`) ?? Number.NaN,
  )
}
