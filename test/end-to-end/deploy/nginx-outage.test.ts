import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import Value from 'typebox/value'
import { ProblemDocument } from '../../../src/problems/problem-document.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { ID_PARAMETERS } from '../../../src/sse/brought-id.js'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { freePort } from '../../harness/port.js'
import { gatewayWithRoutes } from '../../harness/routes.js'
import { echoesHeaders, startStandIn, tellsOne } from './stand-in.js'

const skip = withoutNginx()
const stream = { accept: 'text/event-stream' }

t.test('without any gateway an event stream is answered with `unavailable` and 200', { skip }, async t => {
  const nginx = await startNginx(t, { upstreams: [await freePort()] })

  const response = await fetch(`${nginx.url}/api/events?last=50`, {
    headers: { ...stream, origin: 'https://app.example' },
  })

  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(response.headers.get('cache-control'), 'no-cache, no-transform')
  t.equal(response.headers.get('access-control-allow-origin'), 'https://app.example')
  t.equal(await response.text(), 'retry: 2000\nevent: unavailable\ndata: {"reason":"upstream"}\n\n')
})

// Attack: a link whose event id writes frames of its own, or fills the answer.
t.test("the answer repeats the client's event id and nothing else from its request", { skip }, async t => {
  const nginx = await startNginx(t, { upstreams: [await freePort()] })
  const ask = async (query: string, headers: Record<string, string> = {}) =>
    (await fetch(`${nginx.url}/api/events${query}`, { headers: { ...stream, ...headers } })).text()
  const told = (id: string) => `retry: 2000\nid: ${id}\nevent: unavailable\ndata: {"reason":"upstream"}\n\n`

  for (const name of ID_PARAMETERS)
    t.equal(await ask(`?types=a&${name}=7.k7f3qa&last=5`), told('7.k7f3qa'), name)
  t.equal(await ask('', { 'last-event-id': '7.k7f3qa' }), told('7.k7f3qa'))
  t.equal(
    await ask('?lastEventId=6', { 'last-event-id': '7.k7f3qa' }),
    told('7.k7f3qa'),
    'the header counts more',
  )
  t.equal(await ask('?lastEventId=6&last_event_id=7&Last-Event-ID='), told('7'), 'the last one counts')
  for (const text of ['7%0adata:%20forged', '7%0d%0a', '$uri', '7"', 'x'.repeat(65), '%2e', '\u00fc']) {
    t.equal(await ask(`?lastEventId=${text}`), told('unknown'), text)
  }
  t.equal(await ask('', { 'last-event-id': '7, 8' }), told('unknown'))
  const enveloped = '"type":"unavailable","data":{"reason":"upstream"}}\n\n'
  t.equal(await ask('?envelope=message&lastEventId=7'), `retry: 2000\nid: 7\ndata: {"id":"7",${enveloped}`)
  t.equal(await ask('?envelope=message'), `retry: 2000\ndata: {${enveloped}`)
})

t.test('nginx treats the stream routes of the gateway as streams, and no other route', async t => {
  const { routes } = await gatewayWithRoutes(t)
  const configuration = readFileSync(join(packageRoot, 'deploy/nginx.conf'), 'utf8')
  // Two blocks: Durable Streams keep the status of a refusal.
  const locations = [...configuration.matchAll(/^ *location ~ (\^\S+) \{$/gm)].map(
    ([, path = '']) => new RegExp(path),
  )
  t.equal(locations.length, 2)

  const streams = routes.filter(({ method, stream }) => method === 'GET' && stream)
  t.ok(streams.length > 5)
  for (const { method, url, path } of routes) {
    if (url !== '*')
      t.equal(
        locations.some(location => location.test(path)),
        streams.some(stream => stream.url === url),
        `${method} ${url}`,
      )
  }
})

t.test('the streams of jobs get the same answer, in each dialect', { skip }, async t => {
  const nginx = await startNginx(t, { upstreams: [await freePort()] })

  for (const path of [
    '/api/jobs/7/events',
    '/api/executions/7/events',
    '/api/v1/runs/7/events?token=t',
    '/projects/cad/events?stream_id=7',
    '/runner-jobs/7/events/stream',
  ]) {
    const response = await fetch(nginx.url + path, { headers: stream })

    t.equal(response.status, 200, path)
    t.match(await response.text(), 'event: unavailable')
  }
  t.equal((await fetch(`${nginx.url}/api/jobs/7`, { headers: stream })).status, 503)
})

t.test('a 503 of a stopping gateway does not end an event stream either', { skip }, async t => {
  const stopping = await startStandIn(t, (_request, response) => response.writeHead(503).end('{}'))
  const nginx = await startNginx(t, { upstreams: [stopping.port] })

  const response = await fetch(`${nginx.url}/api/events`, { headers: stream })

  t.equal(response.status, 200)
  t.match(await response.text(), 'event: unavailable')
})

t.test('without any gateway every other request gets a 503 problem', { skip }, async t => {
  const nginx = await startNginx(t, { upstreams: [await freePort()] })
  const json = { accept: 'application/json' }

  for (const [path, init] of [
    ['/api/items', { headers: json }],
    ['/api/events', { headers: json }],
    ['/api/events', { headers: { accept: 'application/x-ndjson' } }],
    ['/api/events', { method: 'POST', body: '{}', headers: stream }],
    ['//api/events', { headers: stream }],
  ] as const) {
    const response = await fetch(nginx.url + path, init)

    t.equal(response.status, 503, `${'method' in init ? init.method : 'GET'} ${path}`)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
    t.equal(response.headers.get('retry-after'), '2')
    const document: unknown = await response.json()
    t.ok(Value.Check(ProblemDocument, document), 'it has the shape that gateways give to theirs')
    t.match(document, { code: 'upstream-unavailable', request_id: response.headers.get('x-request-id') })
  }
})

t.test("a gateway's own 503 reaches requests that do not ask for an event stream", { skip }, async t => {
  const gateway = await startStandIn(t, (_request, response) => {
    response.writeHead(503, { 'content-type': 'application/problem+json' }).end('{"code":"maintenance"}')
  })
  const nginx = await startNginx(t, { upstreams: [gateway.port] })

  const page = await fetch(`${nginx.url}/api/events`, { headers: { accept: 'application/json' } })
  const publish = await fetch(`${nginx.url}/api/events`, { method: 'POST', body: '{}' })

  t.same(await page.json(), { code: 'maintenance' })
  t.same(await publish.json(), { code: 'maintenance' })
})

t.test('a publish that one gateway has received is never sent to another', { skip }, async t => {
  const cuts: RequestListener = request => request.resume().on('end', () => request.socket.destroy())
  const gateways = [await startStandIn(t, cuts), await startStandIn(t, cuts)]
  const nginx = await startNginx(t, { upstreams: gateways.map(gateway => gateway.port) })
  const arrived = () => gateways.flatMap(gateway => gateway.requests).length

  // A key counts only where the gateway looks at it.
  for (const [method, path, headers] of [
    ['POST', '/api/events', {}],
    ['PATCH', '/api/events', { 'idempotency-key': 'one' }],
    ['POST', '/api/items', { 'idempotency-key': 'one' }],
    ['POST', '/api/events', { 'idempotency-key': '' }],
  ] as const) {
    const before = arrived()
    const response = await fetch(nginx.url + path, { method, headers, body: '{"type":"a"}' })

    t.equal(response.status, 503, 'the caller gets a 503, because the result is unknown')
    t.equal(arrived() - before, 1, `${method} ${path} arrived once`)
  }
})

t.test('a publish with a key is sent to another, whole', { skip }, async t => {
  const taken: string[] = []
  const cuts: RequestListener = request => request.resume().on('end', () => request.socket.destroy())
  const takes: RequestListener = async (request, response) => {
    taken.push(await text(request))
    response.writeHead(201).end()
  }
  const [first, second] = [await startStandIn(t, cuts), await startStandIn(t, takes)]
  const nginx = await startNginx(t, { upstreams: [first.port, second.port] })
  const body = `{"type":"a","data":"${'x'.repeat(100_000)}"}`

  while (first.requests.length === 0) {
    const headers = { 'idempotency-key': randomUUID() }
    const { status } = await fetch(`${nginx.url}/api/events?stream=feed`, { method: 'POST', headers, body })
    t.equal(status, 201)
  }

  t.strictSame(new Set(taken), new Set([body]))
  const [there] = second.requests.slice(-1)
  t.equal(there?.headers['idempotency-key'], first.requests[0]?.headers['idempotency-key'])
})

t.test('every request, even a publish, skips a gateway that is down', { skip }, async t => {
  const gateway = await startStandIn(t, echoesHeaders)
  const nginx = await startNginx(t, { upstreams: [await freePort(), gateway.port] })

  const answers = await Promise.all(
    ['GET', 'POST', 'GET', 'POST'].map(method => fetch(`${nginx.url}/api/items`, { method })),
  )

  t.same(
    answers.map(answer => answer.status),
    [200, 200, 200, 200],
  )
})

const both = withoutNginx() || withoutBrowser()
t.test("Chromium's EventSource survives a restart of the gateway", { skip: both }, async t => {
  const page: RequestListener = (request, response) => {
    if (request.url?.startsWith('/api/events')) return tellsOne(request, response)
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>')
  }
  const first = await startStandIn(t, page)
  const nginx = await startNginx(t, { upstreams: [first.port] })
  const browser = await openBrowser(t)
  const tab = await browser.newPage()
  await tab.goto(nginx.url)
  await tab.evaluate(`
    window.seen = []
    const source = new EventSource('/api/events')
    for (const type of ['item.created', 'unavailable']) {
      source.addEventListener(type, event => window.seen.push(type + ' ' + event.lastEventId))
    }
  `)
  await tab.waitForFunction(`window.seen.includes('item.created 1.aaaaaa')`)

  await first.stop()
  await tab.waitForFunction(`window.seen.includes('unavailable 1.aaaaaa')`)
  const second = await startStandIn(t, page, first.port)
  await tab.waitForFunction(`window.seen.filter(line => line.startsWith('item.created')).length === 2`)

  t.equal(second.requests[0]?.headers['last-event-id'], '1.aaaaaa', 'and asks for what it missed')
})

t.test(
  'a gateway that stops gets no new stream, although it has the fewest connections',
  { skip },
  async t => {
    const staying = await startGateway(t)
    const stopping = await startGateway(t, { databaseUrl: staying.databaseUrl })
    const ports = [staying, stopping].map(({ url }) => Number(new URL(url).port))
    const nginx = await startNginx(t, { upstreams: ports })
    const opened = async (url: string) => {
      const stream = await openStream(t, `${url}/api/events`, { headers: as('viewer') })
      return (await stream.until(1))[0]
    }
    stopping.app.serverState.drain()

    const through = []
    for (let client = 0; client < 6; client += 1) through.push((await opened(nginx.url))?.event)
    t.strictSame(through, Array(6).fill('server.state'))
    t.equal(staying.app.hub.clients().total, 6)
    t.match(await opened(stopping.url), { event: 'unavailable', data: '{"reason":"draining"}' })

    staying.app.serverState.drain()
    t.match(await opened(nginx.url), { event: 'unavailable', data: '{"reason":"upstream"}' })
  },
)
