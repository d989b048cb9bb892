import { once } from 'node:events'
import { request as httpRequest, type ServerResponse } from 'node:http'
import t from 'tap'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { patienceSignal } from '../harness/patience.js'
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
