/** The service speaks the protocol of LaunchDarkly's SSE contract tests: what they send, it does; what they wait for, it posts. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { createService } from '../../../conformance/contract/launchdarkly/service.js'
import { until } from '../../harness/until.js'

const PATIENCE_MS = 10_000

t.test('it names its abilities, and ends when it is deleted', async t => {
  const service = createService()
  const url = await listen(t, service)
  const closed = once(service, 'close')

  const status = await fetch(url)
  t.equal(status.status, 200)
  t.match(await status.json(), { capabilities: ['bom', 'comments', 'headers'] })
  t.equal((await fetch(url, { method: 'DELETE' })).status, 204)
  await closed
})

t.test('it posts events, comments and errors, numbered, and sends what the tests give it', async t => {
  const requests: string[] = []
  const streams: ServerResponse[] = []
  const streamUrl = await listenWith(t, async (request, response) => {
    const { method, headers } = request
    requests.push(`${method} ${headers['x-one']} ${headers['last-event-id']} ${await bodyOf(request)}`)
    streams.push(response.writeHead(200, { 'content-type': 'text/event-stream' }))
    response.write(':hello\nid: 7\nevent: greeting\ndata: Hello\n\n')
  })
  const posted: { path: string | undefined; message: unknown }[] = []
  const callbackUrl = await listenWith(t, async (request, response) => {
    posted.push({ path: request.url, message: JSON.parse(await bodyOf(request)) })
    response.end()
  })
  const service = await listen(t, createService())
  const options = {
    method: 'POST',
    body: 'text',
    headers: { 'x-one': '1' },
    lastEventId: '6',
    initialDelayMs: 0,
    readTimeoutMs: null,
  }

  const created = await post(service, { streamUrl, callbackUrl: `${callbackUrl}/cb`, ...options })
  const stream = new URL(created.headers.get('location') ?? '', service)
  await until('the event is posted', () => posted.length === 2, PATIENCE_MS)
  t.equal((await post(stream, { command: 'restart' })).status, 202)
  await until('the event is posted again', () => posted.length === 4, PATIENCE_MS)
  streams[1]?.end()
  await until('the end is posted, and a third event', () => posted.length === 7, PATIENCE_MS)
  t.equal((await post(stream, { command: 'dance' })).status, 400)
  t.equal((await fetch(stream, { method: 'DELETE' })).status, 204)
  await until('the client has left', () => streams[2]?.closed === true, PATIENCE_MS)

  t.equal(created.status, 201)
  t.equal((await fetch(stream, { method: 'DELETE' })).status, 404)
  t.equal((await post(service, { callbackUrl })).status, 400)
  t.strictSame(requests, ['POST 1 6 text', 'POST 1 7 text', 'POST 1 7 text'])
  const comment = { kind: 'comment', comment: 'hello' }
  const event = { kind: 'event', event: { id: '7', type: 'greeting', data: 'Hello' } }
  t.strictSame(
    posted.map(({ path }) => path),
    [1, 2, 3, 4, 5, 6, 7].map(number => `/cb/${number}`),
  )
  t.match(
    posted.map(({ message }) => message),
    [comment, event, comment, event, { kind: 'error', error: String }, comment, event],
  )
})

async function post(url: string | URL, body: object): Promise<Response> {
  return await fetch(url, { method: 'POST', body: JSON.stringify(body) })
}

async function listenWith(
  t: Test,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<string> {
  return await listen(t, createServer(handle))
}

async function listen(t: Test, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
