import { once } from 'node:events'
import { request as httpRequest, type RequestListener, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import Value from 'typebox/value'
import { ProblemDocument } from '../../src/problem-document.js'
import { openBrowser, withoutBrowser } from '../harness/browser.js'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { startStandIn } from './stand-in.js'

const skip = withoutNginx()
const stream = { accept: 'text/event-stream' }
const deadline = () => AbortSignal.timeout(10_000)

/** A gateway that has one event to tell and then stays silent with the stream open. */
const tellsOne: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('id: 1.aaaaaa\nevent: item.created\ndata: {}\n\n')
}

const echoesHeaders: RequestListener = (request, response) => {
  response.end(JSON.stringify(request.headers))
}

/** A port of this machine on which nobody listens. */
async function deadPort(t: Test): Promise<number> {
  const gone = await startStandIn(t, tellsOne)
  await gone.stop()
  return gone.port
}

async function firstText(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const { value } = (await reader?.read()) ?? {}
  await reader?.cancel()
  return new TextDecoder().decode(value)
}

for (const accept of ['text/event-stream', 'application/x-ndjson']) {
  t.test(`${accept}: each event passes at once, while the stream stays open`, { skip }, async t => {
    let stream: ServerResponse | undefined
    const gateway = await startStandIn(t, (_request, response) => {
      response.writeHead(200, { 'content-type': accept }).flushHeaders()
      stream = response
    })
    const nginx = await startNginx(t, { upstreams: [gateway.port] })

    const response = await fetch(`${nginx.url}/api/events`, { headers: { accept }, signal: deadline() })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()

    // The upstream never ends: with any buffering nothing would arrive.
    for (const line of ['one\n', 'two\n', 'three\n']) {
      stream?.write(line)
      t.equal((await reader?.read())?.value, line)
    }
    t.equal(response.headers.get('server'), 'nginx', 'its version is not told')
    await reader?.cancel()
  })
}

t.test('what a client says about its own address, host and request id is written over', { skip }, async t => {
  const gateway = await startStandIn(t, echoesHeaders)
  const nginx = await startNginx(t, { upstreams: [gateway.port] })
  const forged = {
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'bank.example',
    'x-request-id': 'mine',
    forwarded: 'for=10.0.0.1',
  }

  for (const [path, headers] of [
    ['/health', forged],
    ['/api/events', forged],
    ['/api/events', { ...forged, ...stream }],
  ] as const) {
    const seen = Object(await (await fetch(nginx.url + path, { headers })).json())

    t.match(seen, {
      'x-forwarded-for': /^127\.0\.0\.1$/,
      'x-forwarded-proto': /^http$/,
      'x-forwarded-host': `127.0.0.1:${nginx.port}`,
      host: `127.0.0.1:${nginx.port}`,
      'x-request-id': /^[0-9a-f]{32}$/,
    })
    t.notOk('forwarded' in seen, 'there is one way to tell an address, not two')
  }
})

t.test('without any gateway an event stream is answered with `unavailable` and 200', { skip }, async t => {
  const nginx = await startNginx(t, { upstreams: [await deadPort(t)] })

  const response = await fetch(`${nginx.url}/api/events?last=50`, {
    headers: { ...stream, origin: 'https://app.example' },
  })

  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(response.headers.get('cache-control'), 'no-cache, no-transform')
  t.equal(response.headers.get('access-control-allow-origin'), 'https://app.example')
  t.equal(await response.text(), 'retry: 2000\nevent: unavailable\ndata: {"reason":"upstream"}\n\n')
})

t.test('a 503 of a gateway that is stopping does not end an event stream either', { skip }, async t => {
  const stopping = await startStandIn(t, (_request, response) => response.writeHead(503).end('{}'))
  const nginx = await startNginx(t, { upstreams: [stopping.port] })

  const response = await fetch(`${nginx.url}/api/events`, { headers: stream })

  t.equal(response.status, 200)
  t.match(await response.text(), 'event: unavailable')
})

t.test('without any gateway everything else is told so by a 503 problem', { skip }, async t => {
  const nginx = await startNginx(t, { upstreams: [await deadPort(t)] })
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
    t.match(document, { code: 'upstream-unavailable', requestId: response.headers.get('x-request-id') })
  }
})

t.test("a gateway's own 503 reaches those who can read it", { skip }, async t => {
  const gateway = await startStandIn(t, (_request, response) => {
    response.writeHead(503, { 'content-type': 'application/problem+json' }).end('{"code":"maintenance"}')
  })
  const nginx = await startNginx(t, { upstreams: [gateway.port] })

  const page = await fetch(`${nginx.url}/api/events`, { headers: { accept: 'application/json' } })
  const publish = await fetch(`${nginx.url}/api/events`, { method: 'POST', body: '{}' })

  t.same(await page.json(), { code: 'maintenance' })
  t.same(await publish.json(), { code: 'maintenance' })
})

t.test('a publish that a gateway has taken is never sent to another one', { skip }, async t => {
  const cuts: RequestListener = request => request.resume().on('end', () => request.socket.destroy())
  const gateways = [await startStandIn(t, cuts), await startStandIn(t, cuts)]
  const nginx = await startNginx(t, { upstreams: gateways.map(gateway => gateway.port) })
  const arrived = () => gateways.flatMap(gateway => gateway.requests).length

  for (const method of ['POST', 'PATCH']) {
    const before = arrived()
    const response = await fetch(`${nginx.url}/api/events`, { method, body: '{"type":"a"}' })

    t.equal(response.status, 503, 'its fate is unknown, and the caller is told')
    t.equal(arrived() - before, 1, `${method} arrived once`)
  }
})

t.test('a gateway that is down is passed over, also by a publish', { skip }, async t => {
  const gateway = await startStandIn(t, echoesHeaders)
  const nginx = await startNginx(t, { upstreams: [await deadPort(t), gateway.port] })

  const answers = await Promise.all(
    ['GET', 'POST', 'GET', 'POST'].map(method => fetch(`${nginx.url}/api/items`, { method })),
  )

  t.same(
    answers.map(answer => answer.status),
    [200, 200, 200, 200],
  )
})

t.test('a body of 8 MiB passes, so that the gateway is the one to refuse it', { skip }, async t => {
  const gateway = await startStandIn(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(413).end('{"code":"too-large"}'))
  })
  const nginx = await startNginx(t, { upstreams: [gateway.port] })

  const response = await fetch(`${nginx.url}/api/events`, { method: 'POST', body: Buffer.alloc(8 << 20) })

  t.same(await response.json(), { code: 'too-large' })
})

t.test('the path arrives as it was sent', { skip }, async t => {
  const gateway = await startStandIn(t, echoesHeaders)
  const nginx = await startNginx(t, { upstreams: [gateway.port] })

  // Not fetch: it would tidy the path up itself.
  for (const path of ['//api//events', '/api/%65vents?types=a,b', '/api/items/A%2F1']) {
    const request = httpRequest(`${nginx.url}`, { path }).end()
    const [response] = await once(request, 'response')
    response.resume()
    await once(response, 'end')
  }

  t.same(
    gateway.requests.map(request => request.url),
    ['//api//events', '/api/%65vents?types=a,b', '/api/items/A%2F1'],
  )
})

// Attack: whoever can read the logs takes the token out of a request line, and is that client for an hour.
t.test('no log line holds a credential, not even about a failure', { skip }, async t => {
  const gateway = await startStandIn(t, tellsOne)
  const nginx = await startNginx(t, { upstreams: [gateway.port] })
  const secret = 'eyJhbGciOiJIUzI1NiJ9.c2VjcmV0'
  const ask = async (path: string, headers: Record<string, string>) =>
    firstText(
      await fetch(nginx.url + path, {
        headers: {
          ...headers,
          authorization: `Bearer ${secret}`,
          referer: `https://app.example/?t=${secret}`,
        },
      }),
    )

  await ask(`/api/events?token=${secret}`, stream)
  await gateway.stop()
  await ask(`/api/events?token=${secret}`, stream)
  await ask(`/api/events?ticket=${secret}`, { accept: 'application/json' })
  await ask(`/%00?token=${secret}`, {})
  await ask(`/?token=${secret}${'x'.repeat(40_000)}`, {})

  const log = nginx.log()
  t.notMatch(log, secret)
  t.match(log, '"path":"/api/events","status":200', 'what happened is there')
  t.match(log, '"upstreamStatus":"502"', 'and so is the failure')
})

const both = withoutNginx() || withoutBrowser()
t.test("Chromium's EventSource outlives a gateway that goes away and comes back", { skip: both }, async t => {
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
