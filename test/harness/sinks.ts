/** Servers that hand the test a sink for each request. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import type { Test } from 'tap'
import type { SendQueues } from '../../src/network/send-queues.js'
import { type Response, Sink } from '../../src/sse/sink.js'

const HEAD = { 'content-type': 'text/event-stream' }

export interface Sinks<S> {
  readonly server: S
  /** The sink of the next request. */
  next(): Promise<Sink>
}

/** @param queues what its sinks know of the kernel; default nothing. */
export async function serveSinks(test: Test, queues?: Pick<SendQueues, 'bytesOf'>): Promise<Sinks<Server>> {
  const { take, next } = queue()
  const server = createServer((request, response) => {
    if (request.url === '/short') {
      response.end('short')
      return
    }
    response.writeHead(200, HEAD)
    response.flushHeaders()
    take(new Sink(response, queues))
  })
  test.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, next }
}

export async function serveSinksOverHttp2(test: Test): Promise<Sinks<Http2Server>> {
  const { take, next } = queue()
  const server = createHttp2Server((_, response) => {
    response.writeHead(200, HEAD)
    take(new Sink(response as Response))
  })
  test.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, next }
}

function queue() {
  const sinks: Sink[] = []
  const waiting: ((sink: Sink) => void)[] = []
  return {
    take(sink: Sink) {
      const first = waiting.shift()
      if (first) first(sink)
      else sinks.push(sink)
    },
    async next(): Promise<Sink> {
      return sinks.shift() ?? (await new Promise(resolve => waiting.push(resolve)))
    },
  }
}
