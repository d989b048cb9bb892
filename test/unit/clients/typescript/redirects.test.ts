/** A redirect would repeat a POST as a GET: clients/typescript takes the success of that for no success of its request. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { DurableStream } from '../../../../clients/typescript/src/ai/durable-stream.js'
import { createClient } from '../../../../clients/typescript/src/client.js'

const REFUSED = { name: 'RefusedError', status: 302, message: /redirect/ }

t.test('an event that a redirect has swallowed was not published', async t => {
  const { url, requests } = await serve(t)

  await t.rejects(createClient({ url }).publish({ type: 'part.made', data: {} }), REFUSED)
  t.strictSame(requests, ['POST /api/events'])
})

t.test('nor was what was appended to a durable stream', async t => {
  const { url, requests } = await serve(t)
  const { gateway } = createClient({ url })

  await t.rejects(new DurableStream(gateway, 'chat').append('{}', {}), REFUSED)
  t.strictSame(requests, ['POST /v1/stream/chat'])
})

/** Redirects each POST to a page. */
async function serve(t: Test) {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    if (request.method === 'POST') response.writeHead(302, { location: '/page' }).end()
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"events":[]}')
  })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests }
}
