/** A gateway's place behind nginx, taken by a small server that a test can see through. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { Test } from 'tap'
import { freePort } from '../../harness/port.js'

export interface StandIn {
  readonly port: number
  /** What has arrived so far. */
  readonly requests: readonly IncomingMessage[]
  /** Ends it as a crash would: every connection is cut, the port refuses. Twice is fine. */
  stop(): Promise<void>
}

/** @param port default: a free one; the port of a stopped one, to come back in its place. */
export async function startStandIn(t: Test, answer: RequestListener, port?: number): Promise<StandIn> {
  const own = port ?? (await freePort())
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.listen(own, '127.0.0.1')
  await once(server, 'listening')

  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  t.teardown(stop)
  return { port: own, requests, stop }
}

/** Has one event to tell and then stays silent with the stream open. */
export const tellsOne: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('id: 1.aaaaaa\nevent: item.created\ndata: {}\n\n')
}

export const echoesHeaders: RequestListener = (request, response) => {
  response.end(JSON.stringify(request.headers))
}
