import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Gateway, GatewayAway, Refusal } from '../../../src/runner/gateway.js'
import { isPassing, retryAfterMs, untilAnswered } from '../../../src/runner/retry.js'

const job = { id: '6f1c', attempt: 2, payload: {} }
const { signal } = new AbortController()

async function startGateway(t: Test, answer: RequestListener): Promise<Gateway> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return new Gateway(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, 'the-token')
}

async function refusalOf(gateway: Gateway): Promise<Refusal> {
  const error = await gateway.release(job, signal).catch(error => error)
  if (!(error instanceof Refusal)) throw error
  return error
}

t.test('a problem document becomes a refusal, and so does any other error body', async t => {
  const problem = await startGateway(t, (_, response) => {
    response.writeHead(409).end('{"code":"lease-lost","detail":"Another attempt has it."}')
  })
  const page = await startGateway(t, (_, response) => response.writeHead(502).end('<h1>Bad gateway</h1>'))

  t.match(await refusalOf(problem), { status: 409, code: 'lease-lost', message: 'Another attempt has it.' })
  t.match(await refusalOf(page), { status: 502, code: '', message: 'It answered 502.' })
})

t.test('Retry-After is read as seconds and as a date, and not for longer than a minute', async t => {
  const inSeconds = await startGateway(t, (_, response) =>
    response.writeHead(503, { 'retry-after': '7' }).end(),
  )
  const asDate = await startGateway(t, (_, response) => {
    response.writeHead(429, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }).end()
  })
  const inThePast = await startGateway(t, (_, response) => {
    response.writeHead(503, { 'retry-after': new Date(0).toUTCString() }).end()
  })

  t.equal(retryAfterMs(await refusalOf(inSeconds)), 7_000)
  t.equal(retryAfterMs(await refusalOf(asDate)), 60_000)
  t.equal(retryAfterMs(await refusalOf(inThePast)), 0)
})

t.test('transient failures are retried, and no others', t => {
  for (const status of [408, 429, 500, 502, 503, 504])
    t.ok(isPassing(new Refusal(status, '', '', 0)), `${status}`)
  for (const status of [301, 400, 401, 403, 404, 409, 413]) {
    t.notOk(isPassing(new Refusal(status, '', '', 0)), `${status}`)
  }
  t.ok(isPassing(new GatewayAway('ECONNRESET')))
  t.notOk(isPassing(new TypeError('a fault of ours')))
  t.end()
})

t.test('asking again ends with an answer, a final refusal or the signal', async t => {
  const away = () => Promise.reject(new GatewayAway('ECONNREFUSED'))
  const answers = [away, away, async () => 'here']
  const lost = new AbortController()

  t.equal(await untilAnswered(() => (answers.shift() ?? away)(), { signal }), 'here')
  await t.rejects(
    untilAnswered(() => Promise.reject(new Refusal(409, 'job-ended', '', 0)), { signal }),
    { code: 'job-ended' },
  )
  await t.rejects(
    untilAnswered(away, { signal: lost.signal, onRetry: () => lost.abort(new Error('lease lost')) }),
    { message: 'lease lost' },
  )
})

t.test('the token is sent to the gateway only, not to a redirect target', async t => {
  let asked = 0
  const elsewhere = await startGateway(t, (_, response) => {
    asked += 1
    response.end()
  })
  const gateway = await startGateway(t, (request, response) => {
    t.equal(request.headers.authorization, 'Bearer the-token')
    response.writeHead(307, { location: `${Reflect.get(elsewhere, 'url')}` }).end()
  })

  t.match(await refusalOf(gateway), { status: 307 })
  t.equal(asked, 0)
})

t.test('a connection that breaks before or within the answer counts as an unreachable gateway', async t => {
  const before = await startGateway(t, request => request.socket.destroy())
  const within = await startGateway(t, (request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"job"', () => request.socket.destroy())
  })

  for (const gateway of [before, within]) {
    const error = await gateway.release(job, signal).catch(error => error)
    t.ok(error instanceof GatewayAway, `${error}`)
  }
})
