/** HAProxy and Caddy, as deploy/ ships them, in front of two real gateways. nginx.test.ts has the same for nginx. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { readConfig } from '../../../src/config/config.js'
import { createDatabase } from '../../harness/database.js'
import { openStream, staysOpen } from '../../harness/event-stream.js'
import { as, publish, testEnvironment } from '../../harness/gateway.js'
import { withoutProgram } from '../../harness/own-proxy.js'
import { type GatewayProcess, startProcess } from '../../harness/process.js'
import { findProgram } from '../../harness/program.js'
import { caddy, haproxy, readShipped, startProxy } from '../../harness/proxies.js'
import { bearer } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { echoesHeaders, startStandIn } from './stand-in.js'

const run = promisify(execFile)

async function startTwo(t: Test, env: Readonly<Record<string, string>> = {}) {
  const { url: databaseUrl } = await createDatabase(t)
  const all = { TRUSTED_PROXIES: '127.0.0.1', ...env }
  const start = (port?: number) => startProcess(t, { databaseUrl, env: all, ...(port && { port }) })
  const gateways = [await start(), await start()] as const
  return { gateways, upstreams: [gateways[0].port, gateways[1].port] as [number, number], start }
}

const clientsOf = async ({ url }: GatewayProcess) =>
  Object((await (await fetch(`${url}/ready`)).json()) as object).sse.clients as number

for (const proxy of [haproxy, caddy]) {
  const skip = withoutProgram(proxy.name)

  t.test(
    `${proxy.name}: events arrive at once, and a client resumes through the death of its node`,
    { skip },
    async t => {
      const { gateways, upstreams, start } = await startTwo(t)
      const { url } = await startProxy(t, proxy, { upstreams })
      const headers = as('viewer')
      const stream = await openStream(t, `${url}/api/events?from=beginning`, { headers })
      const lines = await fetch(`${url}/api/events?from=beginning`, {
        headers: { ...headers, accept: 'application/x-ndjson' },
      })
      const reader = lines.body?.pipeThrough(new TextDecoderStream()).getReader()

      // Neither stream ends: with any buffering nothing would arrive.
      const [first = ''] = await publish({ url }, { type: 'door.opened', data: { door: 7 } })
      await stream.until(1, 'door.opened')
      for (let text = ''; !text.includes('door.opened'); ) text += (await reader?.read())?.value ?? ''
      t.equal(stream.response.headers['content-encoding'], undefined)
      await reader?.cancel()
      await until('the gateways have noticed that the second client left', async () => {
        const counts = await Promise.all(gateways.map(clientsOf))
        return counts.reduce((sum, count) => sum + count) === 1
      })

      const [mine, other] = (await clientsOf(gateways[0])) === 1 ? gateways : [gateways[1], gateways[0]]
      await mine.kill()
      await stream.ended()
      const [second = ''] = await publish(other, { type: 'door.closed', data: { door: 7 } })
      const resume = () =>
        openStream(t, `${url}/api/events`, { headers: { ...headers, 'last-event-id': first } })
      let resumed = await resume()
      await until('a node has taken the client', async () => {
        if ((await resumed.until(1))[0]?.event !== 'unavailable') return true
        resumed = await resume()
        return false
      })
      t.equal((await resumed.until(1, 'door.closed'))[0]?.id, second)
      t.equal(resumed.messages.filter(({ event }) => event === 'door.opened').length, 0)

      const back = await start(mine.port)
      await until('the proxy uses the node again', async () => {
        const client = await openStream(t, `${url}/api/events`, { headers })
        await client.until(1)
        return (await clientsOf(back)) > 0
      })

      // A stopping gateway: its clients get a notice, and reconnect until the proxy knows that it stops.
      other.signal('SIGTERM')
      await resumed.until(messages => messages.some(({ data }) => data.includes('draining')), 'server.state')
      t.equal(await resumed.ended(), true, 'its stream ends as a stream does')
      const [third = ''] = await publish(back, { type: 'door.locked', data: { door: 7 } })
      await until('its client is on the other node', async () => {
        const moved = await openStream(t, `${url}/api/events`, {
          headers: { ...headers, 'last-event-id': second },
        })
        const [opened] = await moved.until(1)
        if (opened?.event === 'unavailable') return false
        t.equal((await moved.until(1, 'door.locked'))[0]?.id, third)
        return true
      })
      t.equal(await other.ended(), 0)
    },
  )

  t.test(
    `${proxy.name}: without a gateway an event stream gets 200 and \`unavailable\`, all else a problem`,
    { skip },
    async t => {
      const gone = await startStandIn(t, echoesHeaders)
      const { url } = await startProxy(t, proxy, { upstreams: [gone.port, gone.port] })
      await gone.stop()
      const ask = (init?: RequestInit) => fetch(`${url}/api/events`, init)
      const told = 'event: unavailable\ndata: {"reason":"upstream"}\n\n'

      for (const [id, line] of [
        ['7.k7f3qa', 'id: 7.k7f3qa\n'],
        ['7"x', proxy.withoutId],
      ] as const) {
        const headers = { accept: 'text/event-stream', origin: 'https://app.example', 'last-event-id': id }
        const stream = await ask({ headers })

        t.equal(stream.status, 200)
        t.equal(stream.headers.get('content-type'), 'text/event-stream')
        t.equal(stream.headers.get('access-control-allow-origin'), 'https://app.example')
        t.equal(await stream.text(), `retry: 2000\n${line}${told}`)
      }
      const refused = await ask({
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      })
      t.match([refused.status, refused.headers.get('content-type')], [503, 'application/problem+json'])
      t.match(await refused.json(), { code: 'upstream-unavailable', status: 503 })
    },
  )

  t.test(
    `${proxy.name}: a gateway without its database gets no requests, and a publish is sent once`,
    { skip },
    async t => {
      let ready = false
      const probed = await startStandIn(t, (request, response) => {
        if (request.url === '/ready') response.writeHead(ready ? 200 : 503).end()
        else response.end('unready')
      })
      let attempts = 0
      const cuts = await startStandIn(t, (request, response) => {
        if (request.method !== 'POST') {
          response.end('ready')
          return
        }
        attempts += 1
        request.resume().on('end', () => request.socket.destroy())
      })
      const { url } = await startProxy(t, proxy, { upstreams: [probed.port, cuts.port] })
      const answers = () => Promise.all(Array.from({ length: 4 }, async () => (await fetch(url)).text()))

      await until('it has left out the gateway', async () =>
        (await answers()).every(text => text === 'ready'),
      )
      // HAProxy closes the connection of a client whose gateway has closed a connection that was used before.
      const answer = await fetch(`${url}/api/events`, { method: 'POST', body: '{}' }).catch(() => undefined)
      t.match([answer?.status ?? 503, attempts], [/^50[23]$/, 1])
      ready = true
      await until('it uses the gateway again', async () => (await answers()).includes('unready'))
    },
  )

  t.test(
    `${proxy.name}: the gateway sees the address of the client, not the one that the client claims`,
    { skip },
    async t => {
      const seen = await startStandIn(t, echoesHeaders)
      const inFront = await startProxy(t, proxy, { upstreams: [seen.port, seen.port] })
      const forged = {
        'x-forwarded-for': '10.0.0.1',
        'x-forwarded-proto': 'https',
        forwarded: 'for=10.0.0.1',
      }
      const secret = 'eyJhbGciOiJIUzI1NiJ9.c2VjcmV0'

      for (const accept of ['application/json', 'text/event-stream']) {
        const response = await fetch(`${inFront.url}/api/events?token=${secret}`, {
          headers: { ...forged, accept, ...bearer(secret) },
        })
        t.match(await response.json(), {
          'x-forwarded-for': /^127\.0\.0\.1$/,
          'x-forwarded-proto': /^http$/,
          'x-forwarded-host': `127.0.0.1:${inFront.port}`,
          'x-request-id': /^[0-9a-f-]{36}$/,
          forwarded: undefined,
        })
      }
      await until('the requests are in its log', () => inFront.log().split('/api/events').length > 2)
      t.notMatch(inFront.log(), secret)

      const { gateways, upstreams } = await startTwo(t)
      const { url } = await startProxy(t, proxy, { upstreams })
      const created = await fetch(`${gateways[0].url}/api/keys`, {
        method: 'POST',
        headers: { ...as('admin'), 'content-type': 'application/json' },
        body: '{"name":"elsewhere","role":"viewer","allowed_ips":["10.0.0.1"]}',
      })
      const { key } = (await created.json()) as { key: string }
      let code: unknown
      // Without an answer of its database in a second a gateway is unready to its proxy.
      await until('a gateway has answered', async () => {
        const refused = await fetch(`${url}/api/items`, { headers: { ...forged, ...bearer(key) } })
        code = Object(await refused.json()).code
        return code !== 'upstream-unavailable'
      })
      t.equal(code, 'address-not-allowed')
    },
  )

  t.test(`${proxy.name}: heartbeats keep a silent stream open, and silence ends it`, { skip }, async t => {
    const { HEARTBEAT_MS: heartbeat } = readConfig(testEnvironment('postgres://127.0.0.1/x'))
    const timeouts = [...readShipped(proxy).matchAll(/(?:timeout (?:client|server)|read_timeout) (\d+)s/g)]
    t.ok(timeouts.length > 0)
    for (const [line, seconds] of timeouts) t.ok(Number(seconds) * 1_000 >= 2 * heartbeat, line)

    const { upstreams } = await startTwo(t, { HEARTBEAT_MS: '500' })
    const changes = timeouts.map(([line]) => [line, line.replace('90s', '2s')] as const)
    const { url } = await startProxy(t, proxy, { upstreams, changes })
    await staysOpen(t, `${url}/api/events`, 8, as('viewer'))

    const silent = await startStandIn(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': here\n\n')
    })
    const quiet = await startProxy(t, proxy, { upstreams: [silent.port, silent.port], changes })
    const cut = await openStream(t, `${quiet.url}/api/events`)
    await cut.ended()
  })

  const noOpenssl = findProgram(['openssl']) === undefined && 'needs openssl'
  t.test(
    `${proxy.name}: eight streams share one connection with HTTP/2`,
    { skip: skip || noOpenssl },
    async t => {
      const { gateways, upstreams } = await startTwo(t)
      const { url } = await startProxy(t, proxy, { upstreams, pem: await certificate(t.testdir({})) })
      const session = connect(url, { rejectUnauthorized: false })
      t.teardown(() => session.destroy())
      await once(session, 'connect')

      const headers = { ':path': '/api/events', accept: 'text/event-stream', ...as('viewer') }
      const texts = Array.from({ length: 8 }, () => {
        const texts: string[] = []
        session
          .request(headers)
          .setEncoding('utf8')
          .on('data', text => texts.push(text))
        return texts
      })
      await until('all are open', () => texts.every(text => text.length > 0))
      await publish(gateways[0], { type: 'door.opened', data: { door: 7 } })
      await until('all have the event', () => texts.every(text => text.join('').includes('door.opened')))
      t.equal(session.alpnProtocol, 'h2')
    },
  )
}

/** A certificate of this machine's own and its key, as one text. */
async function certificate(folder: string): Promise<string> {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  await run('openssl', ['req', '-x509', ...kind, ...name, '-keyout', key, '-out', certificate])
  const { stdout } = await run('cat', [certificate, key])
  return stdout
}
