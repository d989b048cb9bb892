/**
 * The test service that LaunchDarkly's SSE contract tests drive, over the plain layer of clients/typescript. Their protocol, in short:
 * `GET /` names the abilities, `POST /` follows `streamUrl` and posts what the client sees to `callbackUrl/1`, `/2`, …, `POST` to the new
 * resource sends a command, `DELETE` ends it.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { EventStream } from '../../../clients/typescript/src/event-stream.js'

const CAPABILITIES = [
  'bom',
  'comments',
  'headers',
  'last-event-id',
  'post',
  'read-timeout',
  'report',
  'restart',
  'server-directed-shutdown-request',
]

interface Asked {
  readonly streamUrl: string
  readonly callbackUrl: string
  readonly initialDelayMs?: number
  readonly readTimeoutMs?: number
  readonly lastEventId?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  readonly body?: string
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object
}

/** Not yet listening. `DELETE /` closes it, as the tests do at their end. */
export function createService(): Server {
  const streams = new Map<string, EventStream>()
  let created = 0

  const server = createServer(async (request, response) => {
    const refuse = (error: Error): Answer => ({ status: 400, body: { message: error.message } })
    const { status, headers, body } = await answer(request).catch(refuse)
    response.writeHead(status, headers).end(body && JSON.stringify(body))
    if (request.method === 'DELETE' && request.url === '/') close()
  })
  return server

  function close(): void {
    for (const stream of streams.values()) stream.close()
    server.close()
    server.closeIdleConnections()
  }

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { method, url = '/' } = request
    if (url === '/') {
      if (method === 'GET') return { status: 200, body: { capabilities: CAPABILITIES } }
      if (method === 'POST') return create(asked(await read(request)))
      if (method === 'DELETE') return { status: 204, headers: { connection: 'close' } }
    }
    const stream = streams.get(url)
    if (!stream) return { status: 404 }
    if (method === 'DELETE') {
      streams.delete(url)
      stream.close()
      return { status: 204 }
    }
    const { command } = await read(request)
    if (command !== 'restart') return { status: 400, body: { message: `There is no command ${command}.` } }
    stream.reconnect()
    return { status: 202 }
  }

  function create(options: Asked): Answer {
    created += 1
    const url = `/streams/${created}`
    const say = callbacks(options.callbackUrl)
    const stream = new EventStream(options.streamUrl, {
      retry: options.initialDelayMs,
      silence: options.readTimeoutMs,
      lastEventId: options.lastEventId,
      headers: options.headers,
      method: options.method,
      body: options.body,
      onComment: comment => say({ kind: 'comment', comment }),
      onState: state => state.name === 'waiting' && say({ kind: 'error', error: state.reason }),
    })
    streams.set(url, stream)
    void follow(stream, say)
    return { status: 201, headers: { location: url } }
  }
}

async function follow(stream: EventStream, say: (message: object) => void): Promise<void> {
  try {
    for await (const event of stream) say({ kind: 'event', event })
  } catch (error) {
    say({ kind: 'error', error: String(error) })
  }
}

/** Posts one message after the other, each to its number; a test that has ended no longer listens. */
function callbacks(url: string): (message: object) => void {
  let count = 0
  let last: Promise<unknown> = Promise.resolve()
  return message => {
    count += 1
    const target = `${url}/${count}`
    last = last
      .then(async () => await fetch(target, { method: 'POST', body: JSON.stringify(message) }))
      .catch(() => {})
  }
}

/** The tests write `null` for what they leave out. */
async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return Object.fromEntries(Object.entries(JSON.parse(text)).filter(([, value]) => value !== null))
}

/** @throws {Error} without the two URLs. */
function asked({ streamUrl, callbackUrl, ...options }: Record<string, unknown>): Asked {
  if (typeof streamUrl !== 'string' || typeof callbackUrl !== 'string') {
    throw new Error('streamUrl and callbackUrl are required.')
  }
  return { ...options, streamUrl, callbackUrl }
}
