/** A gateway in an application that serves HTTP/2, whose responses say less about their end. */
import { once } from 'node:events'
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { sluice } from '../../../plugins/sluice.js'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { SECRET } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

t.test('the stream of a client that left before its credentials were checked is not kept', async t => {
  const { gateway, session } = await http2App(t)
  const { shortLived } = gateway
  const keep = shortLived.keep.bind(shortLived)
  const kept: string[] = []
  shortLived.keep = stream => {
    const end = keep(stream)
    kept.push('kept')
    return () => {
      kept.push('ended')
      end()
    }
  }
  const headers = { 'content-type': 'text/plain', 'stream-ttl': '30' }
  t.equal((await ask(session, 'PUT', '/v1/stream/s', { headers })).status, 201)

  const early = session
    .request({ ...as('viewer'), ':path': '/v1/stream/s?offset=-1&live=sse', 'x-leaves': 'yes' })
    .on('error', () => undefined)
  early.end()
  early.close()
  await until('the request to reach the stream', () => kept.length > 0)

  t.strictSame(kept, ['kept', 'ended'])
})

async function http2App(test: Test) {
  const { url: databaseUrl } = await createDatabase(test)
  const app = Fastify({ http2: true })
  test.teardown(() => app.close())
  app.addHook('onRequest', async ({ headers, raw }) => {
    if (headers['x-leaves'] && !raw.stream.destroyed) await once(raw.stream, 'close')
  })
  const gateways: FastifyInstance[] = []
  await app.register(sluice, {
    databaseUrl,
    migrate: false,
    jwtSecret: SECRET,
    drainMs: 200,
    rateLimitMax: 0,
    internals: { onGateway: each => gateways.push(each) },
  })
  const session = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
  test.teardown(() => session.destroy())
  const [gateway] = gateways
  if (!gateway) throw new Error('The gateway has not started.')
  return { gateway, session }
}

async function ask(
  session: ClientHttp2Session,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Readonly<Record<string, string>>; body?: object } = {},
) {
  const request = session.request({
    ...as('editor'),
    ...(body && { 'content-type': 'application/json' }),
    ...headers,
    ':method': method,
    ':path': path,
  })
  request.end(body && JSON.stringify(body))
  const [response] = (await once(request, 'response')) as [IncomingHttpHeaders & { ':status': number }]
  const text = (await request.setEncoding('utf8').toArray()).join('')
  return { status: response[':status'], text }
}
