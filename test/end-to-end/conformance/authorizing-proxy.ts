/** A proxy that adds credentials to each request without any: the suite of a protocol without credentials sends none. */
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** @returns its URL. It ends with the test. */
export async function startAuthorizingProxy(
  test: Test,
  target: string,
  credentials: { authorization: string },
): Promise<string> {
  const { hostname, port } = new URL(target)
  // Its answers pass on how long the gateway keeps a connection, so it closes none before.
  const server = createServer({ keepAliveTimeout: 0 }, (received, response) => {
    const { method, url, headers } = received
    const sent = request({ hostname, port, method, path: url, headers: { ...credentials, ...headers } })
    sent.once('response', answer => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      response.flushHeaders()
      answer.pipe(response)
      answer.once('error', () => response.destroy())
    })
    sent.once('error', () => response.destroy())
    response.once('close', () => sent.destroy())
    received.pipe(sent)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
