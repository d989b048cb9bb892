import { once } from 'node:events'
import { request as httpRequest, type ServerResponse } from 'node:http'
import t from 'tap'
import Value from 'typebox/value'
import { ProblemDocument } from '../../../src/problems/problem-document.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { patienceSignal } from '../../harness/patience.js'
import { connectRaw } from '../../harness/raw-client.js'
import { until } from '../../harness/until.js'
import { echoesHeaders, startStandIn, tellsOne } from './stand-in.js'

const skip = withoutNginx()
const stream = { accept: 'text/event-stream' }
const deadline = () => patienceSignal(10_000)

async function firstText(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const { value } = (await reader?.read()) ?? {}
  await reader?.cancel()
  return new TextDecoder().decode(value)
}

for (const accept of ['text/event-stream', 'application/x-ndjson']) {
  t.test(`${accept}: each event passes at once while the stream is open`, { skip }, async t => {
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

t.test('nginx overwrites the address, host and request id that a client sends', { skip }, async t => {
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

t.test('a body of 8 MiB passes, because the gateway should refuse it', { skip }, async t => {
  const gateway = await startStandIn(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(413).end('{"code":"too-large"}'))
  })
  const nginx = await startNginx(t, { upstreams: [gateway.port] })

  const response = await fetch(`${nginx.url}/api/events`, { method: 'POST', body: Buffer.alloc(8 << 20) })

  t.same(await response.json(), { code: 'too-large' })
})

t.test('the path arrives unchanged', { skip }, async t => {
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

t.test('nginx refuses requests with a problem document, as a gateway does', { skip }, async t => {
  const gateway = await startStandIn(t, echoesHeaders)
  const nginx = await startNginx(t, { upstreams: [gateway.port] })
  const head = 'Host: x\n'
  const huge = 'x'.repeat(70_000)
  const cases: [request: string, status: number, code: string][] = [
    ['nonsense\n\n', 400, 'malformed-request'],
    [`GET /%00 HTTP/1.1\n${head}\n`, 400, 'malformed-request'],
    [`GET / HTTP/2.1\n${head}\n`, 400, 'malformed-request'],
    ['GET / HTTP/1.1\nHost: a/b\n\n', 400, 'malformed-request'],
    [`POST /api/events HTTP/1.1\n${head}Transfer-Encoding: gzip\n\n`, 400, 'malformed-request'],
    [`POST /api/items HTTP/1.1\n${head}Transfer-Encoding: chunked\n\nzz\n`, 400, 'malformed-request'],
    [`TRACE / HTTP/1.1\n${head}\n`, 405, 'method-not-allowed'],
    [`POST /api/items HTTP/1.1\n${head}Content-Length: 99999999\n\n`, 413, 'body-too-large'],
    [`POST /api/events HTTP/1.1\n${head}Content-Length: 99999999\n\n`, 413, 'body-too-large'],
    [`GET /${huge} HTTP/1.1\n${head}\n`, 414, 'path-too-long'],
    [`GET / HTTP/1.1\n${head}X-Long: ${huge}\n\n`, 431, 'head-too-large'],
  ]

  for (const [request, status, code] of cases) {
    const client = await connectRaw(t, nginx.port, request)
    await client.untilBody('}')
    const document: unknown = JSON.parse(client.body())

    t.match(
      client.text(),
      new RegExp(`^HTTP/1.1 ${status} [^]*Content-Type: application/problem\\+json`),
      request.slice(0, 60),
    )
    t.ok(Value.Check(ProblemDocument, document), 'it has the shape that gateways give to theirs')
    t.match(document, { status, code, request_id: /X-Request-Id: (\w+)/.exec(client.text())?.[1] })
  }
  t.equal(gateway.requests.length, 0)
  t.equal((await fetch(`${nginx.url}/own-answer`)).status, 200, 'there is no such path to a client')
})

// Attack: a reader of the logs takes the token out of a request line, and acts as that client for an hour.
t.test('no log line holds a credential, not even about a failure', { skip }, async t => {
  const gateway = await startStandIn(t, tellsOne)
  const nginx = await startNginx(t, { upstreams: [gateway.port] })
  const secret = 'eyJhbGciOiJIUzI1NiJ9.c2VjcmV0'
  const hidden = 'hunter2'
  const key = `slk_${'k'.repeat(12)}_${'Zb1kQ9m5T6rAeHd0FgPoWVsn4Xi0qJv3uLq8wz2YcS7'}`
  const ticket = 'n4Xi0qJv3uLq8wz2YcS7Zb1kQ9m5T6rAeHd0FgPoWVs'
  /** The first request is that which waits for nginx. */
  let asked = 1
  const ask = async (path: string, headers: Record<string, string>) => {
    asked += 1
    return await firstText(
      await fetch(nginx.url + path, {
        headers: {
          ...headers,
          authorization: `Bearer ${secret}`,
          referer: `https://app.example/?t=${secret}`,
        },
      }),
    )
  }

  await ask(`/api/events?token=${secret}`, stream)
  await gateway.stop()
  await ask(`/api/events?token=${secret}`, stream)
  await ask(`/api/events?ticket=${secret}`, { accept: 'application/json' })
  await ask(`/%00?token=${secret}`, {})
  // A query that is written as a part of the path, and credentials that somebody took for a name.
  for (const path of [
    `/api/events%3ftoken=${hidden}`,
    `/api/events;ticket=${hidden}`,
    `/api/items/${key}/x`,
  ]) {
    await ask(path, {})
  }
  await ask(`/api/%65vents/%65${secret.slice(1)}`, {})
  await ask(`/${key.replace('_', '%5f')}`, {})
  await ask(`/runner-jobs/${ticket}/events/stream`, {})
  await ask(`/?token=${secret}${'x'.repeat(40_000)}`, {})

  // nginx writes a line when a request is over, which the client of a stream may know before.
  const lines = () => nginx.log().split('"path":').length - 1
  await until('each request has its line', () => lines() >= asked)
  const log = nginx.log()
  for (const each of [secret, hidden, key.slice(17), ticket]) t.notMatch(log, each)
  t.match(log, '"path":"/api/items/[redacted]"', 'as far as it is harmless')
  t.match(log, '"path":"/api/events","status":200', 'what happened is there')
  t.match(log, '"upstreamStatus":"502"', 'and so is the failure')
})
