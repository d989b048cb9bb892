/** Whose request ids are taken: those of trusted proxies. */
import { Writable } from 'node:stream'
import Fastify, { type RawServerDefault } from 'fastify'
import t, { type Test } from 'tap'
import { genReqId, requestIdFor } from '../../../plugins/request-ids.js'
import { as, BEHIND_PROXY, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`

t.test('a trusted proxy gives the id, and everybody else gets one of the gateway', async t => {
  const trusting = await startGateway(t, { env: BEHIND_PROXY })
  const open = await startGateway(t)
  const cases: [headers: Record<string, string>, id: string | RegExp][] = [
    [{ 'x-request-id': 'r-1' }, 'r-1'],
    [{ traceparent: TRACEPARENT }, TRACE],
    [{ 'x-request-id': 'r-1', traceparent: TRACEPARENT }, 'r-1'],
    [{ 'x-request-id': '{"level":60}', traceparent: TRACEPARENT }, TRACE],
    [{ 'x-request-id': 'x'.repeat(65) }, UUID],
    [{ traceparent: TRACEPARENT.replaceAll(/[1-9a-f]/g, '0') }, UUID],
    [{}, UUID],
  ]

  for (const [headers, id] of cases) {
    t.match(await idOf(trusting.url, '/api/items', headers), id, JSON.stringify(headers))
    t.match(await idOf(open.url, '/api/items', headers), UUID, JSON.stringify(headers))
  }
  t.equal(await idOf(trusting.url, '/api/items/%zz', { 'x-request-id': 'r-1' }), 'r-1', 'without a route')
  t.match(await idOf(open.url, '/api/items/%zz', { 'x-request-id': 'r-1' }), UUID)
})

t.test('the trust is that of the server, in whatever form it is given', async t => {
  const asked = { headers: { 'x-request-id': 'r-1' }, socket: { remoteAddress: '10.0.0.7' } }
  const idWith = (trustProxy: boolean | string | ((address: string, hop: number) => boolean)) =>
    requestIdFor(Fastify<RawServerDefault>({ trustProxy }), asked)

  t.strictSame(
    [idWith('10.0.0.0/8'), idWith('uniquelocal'), idWith(address => address === '10.0.0.7')],
    Array(3).fill('r-1'),
  )
  for (const trustProxy of [false, '10.1.0.0/16', 'loopback', () => false]) t.match(idWith(trustProxy), UUID)
  t.match(genReqId.call(undefined, asked), UUID)
})

t.test('requests are logged only on request, and without their secrets; streams always are', async t => {
  const secret = token()
  const lines = { on: await linesOf(t, 'on', secret), off: await linesOf(t, 'off', secret) }

  t.strictSame(
    lines.on.filter(({ msg }) => /request/.test(String(msg))).map(({ msg }) => msg),
    ['incoming request', 'incoming request', 'request completed', 'request completed'].sort(),
  )
  t.match(lines.on[0], { req: { url: '/api/events?types=door.*&token=[redacted]' } })
  t.notMatch(JSON.stringify(lines), secret.split('.')[2])
  for (const written of Object.values(lines)) {
    const [opened, closed] = ['stream opened', 'stream closed'].map(text =>
      written.find(({ msg }) => msg === text),
    )
    const shared = {
      ...{ level: 30, reqId: UUID, workspace: 'acme', principal: 'ada', address: '127.0.0.1' },
      ...{ stream: 'feed', kind: 'feed', encoding: 'sse', connection: UUID },
    }
    t.match(opened, { ...shared, after: /^0\./ })
    t.match(closed, {
      ...shared,
      reason: 'draining',
      durationMs: Number,
      events: 0,
      bytes: Number,
      cursor: /^0\./,
    })
    t.equal(closed?.connection, opened?.connection)
    t.equal(closed?.reqId, opened?.reqId)
  }
  t.strictSame(
    lines.off.filter(({ msg }) => /request/.test(String(msg))),
    [],
  )
})

/** The lines of a gateway that answers one request, and opens a stream. */
async function linesOf(t: Test, setting: 'on' | 'off', secret: string) {
  const lines: Record<string, unknown>[] = []
  const log = new Writable({
    write(chunk, _, done) {
      for (const line of String(chunk).trim().split('\n')) lines.push(JSON.parse(line))
      done()
    },
  })
  const gateway = await startGateway(t, { env: { ACCESS_LOG: setting, LOG_LEVEL: 'info' }, log })
  const stream = await fetch(`${gateway.url}/api/events?types=door.*&token=${secret}`)
  await stream.body?.getReader().read()
  await fetch(`${gateway.url}/api/items`, { headers: as('viewer') })
  await gateway.close()
  const kept = lines.filter(({ msg }) =>
    /^(incoming request|request completed|stream (opened|closed))$/.test(String(msg)),
  )
  return setting === 'on' ? kept.sort(byMessage) : kept
}

/** Messages in an order that does not depend on time, requests in theirs. */
function byMessage(one: Record<string, unknown>, other: Record<string, unknown>): number {
  return String(one.msg) < String(other.msg) ? -1 : String(one.msg) > String(other.msg) ? 1 : 0
}

async function idOf(url: string, path: string, headers: Record<string, string>): Promise<string | null> {
  const response = await fetch(`${url}${path}`, { headers: { ...as('viewer'), ...headers } })
  await response.arrayBuffer()
  return response.headers.get('x-request-id')
}
