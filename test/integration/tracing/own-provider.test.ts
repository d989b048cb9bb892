/** An embedding program's own provider of OpenTelemetry, which takes the spans of the plugin and of the engine. */
import { context, trace } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { sluice } from '../../../plugins/sluice.js'
import { createEngine } from '../../../src/engine/engine.js'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { SECRET } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const PUBLISHER = '00f067aa0ba902b7'
const REPORTER = 'b7ad6b7169203331'
const TRACE = `00-4bf92f3577b34da6a3ce929d0e0e4736-${PUBLISHER}-01`
const OTHER = `00-0af7651916cd43dd8448eb211c80319c-${REPORTER}-01`
const EVENT = { type: 'door.opened', data: {} }

function register(test: Test): InMemorySpanExporter {
  const spans = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  provider.register()
  test.teardown(async () => {
    trace.disable()
    context.disable()
    await provider.shutdown()
  })
  return spans
}

async function publish(
  url: string,
  headers: Record<string, string> = {},
  query = '',
): Promise<string | undefined> {
  const response = await fetch(`${url}/api/events${query}`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json', ...headers },
    body: JSON.stringify(EVENT),
  })
  const { events } = (await response.json()) as { events?: readonly { id: string }[] }
  return events?.[0]?.id
}

async function host(test: Test, databaseUrl: string) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: line => lines.push(line) } } })
  // As instrumentations do it: the rest of the request runs in the context of its span.
  app.addHook('onRequest', (_request, _reply, done) => {
    const span = trace.getTracer('host').startSpan('of the host')
    context.with(trace.setSpan(context.active(), span), done)
    span.end()
  })
  await app.register(sluice, { databaseUrl, jwtSecret: SECRET, migrate: false, drainMs: 100 })
  test.teardown(() => app.close())
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), lines }
}

t.test(
  "the plugin's spans are children of the program's, and the event has the place of its request",
  async t => {
    const spans = register(t)
    const { url: databaseUrl, pool } = await createDatabase(t)
    const { url } = await host(t, databaseUrl)

    await publish(url)

    const finished = spans.getFinishedSpans()
    const named = (name: string) => finished.find(span => span.name === name)
    const request = named('POST /api/events')
    t.equal(request?.parentSpanContext?.spanId, named('of the host')?.spanContext().spanId)
    t.equal(named('sluice append')?.parentSpanContext?.spanId, request?.spanContext().spanId)
    const { rows } = await pool.query<{ traceparent: string }>('select traceparent from sluice.events')
    t.match(rows[0]?.traceparent, `${request?.spanContext().traceId}-${request?.spanContext().spanId}-01`)
  },
)

t.test('an append after an expected head has its span, too', async t => {
  const spans = register(t)
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await host(t, databaseUrl)
  const head = await publish(url)
  spans.reset()

  await publish(url, {}, `?expected_head=${head}`)

  const finished = spans.getFinishedSpans()
  const named = (name: string) => finished.filter(span => span.name === name)
  const [append, ...others] = named('sluice append')
  t.equal(append?.parentSpanContext?.spanId, named('POST /api/events')[0]?.spanContext().spanId)
  t.match(append?.attributes, { 'sluice.events': 1 })
  t.strictSame(others, [])
})

t.test('each change of an item or a job, and each report on one, has an append in its trace', async t => {
  const spans = register(t)
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await host(t, databaseUrl)
  const send = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const all = { ...as('editor'), 'content-type': 'application/json', ...headers }
    const response = await fetch(url + path, { method: 'POST', headers: all, body: JSON.stringify(body) })
    t.ok(response.ok, path)
  }
  const item = { part_number: 'A-1', description: 'Hinge', item_type: 'part' }
  const runner = { ...as('runner'), traceparent: OTHER }
  const fence = { ...runner, 'x-job-attempt': '1' }

  await send('/api/items', item, { traceparent: TRACE })
  await send('/api/items/A-1/revisions', { comment: 'Longer' }, { traceparent: TRACE })
  await send('/api/jobs', { kind: 'render', id: 'job-1' }, { traceparent: TRACE })
  await send('/api/jobs/claim', { runner: 'one', kinds: ['render'] }, runner)
  await send('/api/jobs/job-1/events', [EVENT, EVENT], fence)
  await send('/api/jobs/job-1/complete', {}, fence)

  const appended = spans.getFinishedSpans().filter(({ name }) => name === 'sluice append')
  t.strictSame(
    appended.map(span => [span.attributes['sluice.events'], span.parentSpanContext?.spanId]),
    [
      [1, PUBLISHER],
      [2, PUBLISHER],
      [2, PUBLISHER],
      [2, PUBLISHER],
      [2, REPORTER],
      [2, PUBLISHER],
    ],
  )
})

t.test('the span of a request keeps the tracestate that belongs to its traceparent', async t => {
  const spans = register(t)
  const { url: databaseUrl } = await createDatabase(t)
  const app = Fastify()
  await app.register(sluice, { databaseUrl, jwtSecret: SECRET, migrate: false, drainMs: 100 })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  await publish(url, { traceparent: TRACE, tracestate: 'vendor=1,other=2' })
  await publish(url, { traceparent: 'mine', tracestate: 'vendor=1' })

  t.strictSame(
    spans
      .getFinishedSpans()
      .filter(({ name }) => name === 'POST /api/events')
      .map(span => span.spanContext().traceState?.serialize()),
    ['vendor=1,other=2', undefined],
  )
})

t.test('the span of a request whose client leaves before the answer ends with status 499', async t => {
  const spans = register(t)
  const { url: databaseUrl } = await createDatabase(t)
  const app = Fastify()
  const leaving = new AbortController()
  app.addHook('preHandler', async () => leaving.abort())
  await app.register(sluice, { databaseUrl, jwtSecret: SECRET, migrate: false, drainMs: 100 })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  const claim = fetch(`${url}/api/jobs/claim`, {
    method: 'POST',
    headers: { ...as('runner'), 'content-type': 'application/json' },
    body: '{"runner":"one","wait_ms":20000}',
    signal: leaving.signal,
  })
  await t.rejects(claim)

  const ended = () => spans.getFinishedSpans().find(({ name }) => name === 'POST /api/jobs/claim')
  await until('the span has ended', () => ended() !== undefined)
  t.match(ended()?.attributes, { 'http.response.status_code': 499 })
})

t.test('without a provider there is no tracing, and the event keeps the trace of its publisher', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const { url, lines } = await host(t, databaseUrl)

  await publish(url, { traceparent: TRACE })
  await pool.query('alter table sluice.events rename to gone')
  await publish(url, { traceparent: TRACE })
  await pool.query('alter table sluice.gone rename to events')

  t.strictSame((await pool.query('select traceparent from sluice.events')).rows, [{ traceparent: TRACE }])
  t.match(
    lines.find(line => line.includes('"err"') && line.includes('"trace_id"')),
    '"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"',
  )
})

t.test('the engine gives an event the active span as its trace, or the one that it is given', async t => {
  register(t)
  const { url, pool } = await createDatabase(t)
  const engine = await createEngine({ database: url, bus: 'memory' })
  t.teardown(() => engine.close())
  const span = trace.getTracer('host').startSpan('of the program')
  const client = await pool.connect()

  await context.with(trace.setSpan(context.active(), span), async () => {
    await engine.publish([EVENT], { workspace: 'acme' })
    await engine.publishIn(client, { workspace: 'acme', ...EVENT })
  })
  await engine.publish([EVENT, { ...EVENT, traceparent: TRACE }, { ...EVENT, traceparent: 'mine' }], {
    workspace: 'acme',
  })
  client.release()

  const own = `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`
  const traces: (string | undefined)[] = []
  for await (const event of engine.follow({ workspace: 'acme', after: 'beginning' })) {
    if (event.kind === 'event') traces.push(event.traceparent)
    if (traces.length === 5) break
  }
  t.strictSame(traces, [own, own, undefined, TRACE, undefined])
  const { rows } = await pool.query('select way from sluice.events order by "position"')
  t.strictSame(
    rows.map(({ way }) => way),
    ['engine', 'sql', 'engine', 'engine', 'engine'],
  )
})
