/** A trace from the publisher through the gateway to its clients, as a collector gets it; and a collector that is away. */
import t from 'tap'
import { startCollector } from '../harness/collector.js'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PUBLISHER = '00f067aa0ba902b7'
const OTHER = 'b7ad6b7169203331'
/** Spans are exported this often. */
const OFTEN = { OTEL_BSP_SCHEDULE_DELAY: '100' }

const place = (span: string, flags = '01', trace = TRACE) => `00-${trace}-${span}-${flags}`

async function post(gateway: GatewayProcess, traceparent?: string, type = 'door.opened'): Promise<number> {
  const response = await fetch(`${gateway.url}/api/events`, {
    method: 'POST',
    headers: {
      ...as('editor'),
      'content-type': 'application/json',
      ...(traceparent !== undefined && { traceparent }),
    },
    body: JSON.stringify({ type, data: {} }),
  })
  await response.text()
  return response.status
}

t.test(
  'the spans of an event are in the trace of its publisher, with links to the other publishers',
  async t => {
    const collector = await startCollector(t)
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateway = await startProcess(t, {
      databaseUrl,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=acme',
        OTEL_SERVICE_NAME: 'events',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        ...OFTEN,
      },
    })
    const streams = await Promise.all(
      [1, 2].map(() => openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })),
    )
    for (const stream of streams) await stream.until(1)

    await post(gateway, place(PUBLISHER))
    const spansOf = (name: string) => collector.spans.filter(span => span.name === name)
    await until('the delivery', () => spansOf('sluice deliver').length === 1)
    await pool.query(
      `select sluice.publish('acme', 'feed', 'a', '{}', null, $1), sluice.publish('acme', 'feed', 'a', '{}', null, $2),
            sluice.publish('acme', 'feed', 'a', '{}', null, $3)`,
      [place(OTHER), place(PUBLISHER), place(PUBLISHER, '00', '1'.repeat(32))],
    )
    await until('the second delivery', () => spansOf('sluice deliver').length === 2)
    await gateway.stop()

    const [request] = spansOf('POST /api/events')
    const [append, ...otherAppends] = spansOf('sluice append')
    const read = spansOf('sluice read').at(-1)
    const [first, second] = spansOf('sluice deliver')
    t.match(request, {
      traceId: TRACE,
      parent: PUBLISHER,
      attributes: { 'http.route': '/api/events', 'http.response.status_code': 201 },
      resource: {
        'service.name': 'events',
        'service.version': /^\d/,
        'service.instance.id': /^[0-9a-f-]{36}$/,
        'deployment.environment.name': 'test',
      },
    })
    t.match(append, { traceId: TRACE, parent: PUBLISHER, attributes: { 'sluice.events': 1 }, links: [] })
    t.match(first, { traceId: TRACE, parent: PUBLISHER, attributes: { 'sluice.clients': 2 }, links: [] })
    t.match(read, { traceId: TRACE, parent: OTHER, links: [PUBLISHER], attributes: { 'sluice.events': 3 } })
    t.match(second, { parent: OTHER, links: [PUBLISHER], attributes: { 'sluice.events': 3 } })
    t.strictSame(otherAppends, [])
    t.ok(collector.spans.every(({ ms }) => ms >= 0 && ms < 60_000))
    t.equal(collector.headers[0]?.['x-tenant'], 'acme')
  },
)

t.test(
  'without a trace of its publisher an event belongs to the trace of its request; log lines name it',
  async t => {
    const collector = await startCollector(t)
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateway = await startProcess(t, {
      databaseUrl,
      env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`, LOG_LEVEL: 'info', ...OFTEN },
    })

    await post(gateway)
    await pool.query(`alter table sluice.events rename to gone`)
    const failed = await post(gateway, place(PUBLISHER))
    await pool.query(`alter table sluice.gone rename to events`)
    await gateway.stop()

    const [ownRequest, failedRequest] = collector.spans.filter(({ name }) => name === 'POST /api/events')
    const { rows } = await pool.query('select traceparent from sluice.events')
    t.strictSame(rows, [{ traceparent: place(ownRequest?.spanId ?? '', '01', ownRequest?.traceId) }])
    t.ok(failed >= 500)
    t.match(
      gateway
        .output()
        .split('\n')
        .find(line => line.includes('"err"') && line.includes('"trace_id"')),
      `"trace_id":"${TRACE}","span_id":"${failedRequest?.spanId}"`,
    )
  },
)

t.test('each worker exports its spans', async t => {
  const collector = await startCollector(t)
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, {
    databaseUrl,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, WORKERS: '2', ...OFTEN },
  })
  const instances = () => new Set(collector.spans.map(({ resource }) => resource['service.instance.id'])).size

  await until('both workers', async () => {
    const ready = (await (await fetch(`${gateway.url}/ready`)).json()) as { workers?: number }
    return ready.workers === 2
  })
  const streams = await Promise.all(
    Array.from({ length: 16 }, () => openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })),
  )
  for (const stream of streams) await stream.until(1)
  await until('spans of two processes', async () => {
    await post(gateway, place(PUBLISHER))
    // Each stream has a connection of its own, which either worker may take, and its span ends with it.
    const another = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
    await another.until(1)
    another.close()
    return instances() === 2
  })
  await gateway.stop()

  t.equal(instances(), 2)
})

for (const kind of ['away', 'silent'] as const) {
  t.test(`a collector that is ${kind} holds nothing back, and not the end of the process`, async t => {
    const endpoint =
      kind === 'away' ? `http://127.0.0.1:${await freePort()}` : (await startCollector(t, false)).url
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, {
      databaseUrl,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_BSP_MAX_QUEUE_SIZE: '20',
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
        ...OFTEN,
      },
    })

    const statuses = await Promise.all(Array.from({ length: 100 }, () => post(gateway, place(PUBLISHER))))
    if (kind === 'away') await gateway.until(/Spans cannot be exported/)
    const code = await gateway.stop()

    t.strictSame(new Set(statuses), new Set([201]))
    t.equal(code, 0)
  })
}

t.test('while a collector hangs, no more spans wait than the queue holds', async t => {
  const collector = await startCollector(t, false)
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, {
    databaseUrl,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_MAX_QUEUE_SIZE: '20',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
      // Longer than the test: the export that hangs is not given up.
      OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
      OTEL_BSP_EXPORT_TIMEOUT: '600000',
      ...OFTEN,
    },
  })

  await post(gateway, place(PUBLISHER))
  await until('the first spans have left', () => collector.spans.length > 0)
  const sent = collector.spans.length
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 10 }, () => post(gateway, place(PUBLISHER))))
  }
  const meanwhile = collector.spans.length
  collector.answer()
  await gateway.stop()

  t.equal(meanwhile, sent)
  t.equal(collector.spans.length, sent + 20)
})

t.test('without an endpoint, or disabled, a gateway loads no SDK and exports nothing', async t => {
  const collector = await startCollector(t)
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, {
    databaseUrl,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SDK_DISABLED: 'true', ...OFTEN },
  })

  await post(gateway, place(PUBLISHER))
  await gateway.stop()

  t.strictSame(collector.headers, [])
})
