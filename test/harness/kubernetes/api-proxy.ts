/**
 * A network between a client and the API server that can fail: it ends the TLS of the client, so that it sees each request and may
 * answer in place of the server.
 */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import type { ControlPlane } from './control-plane.js'

/** What happens to a request: an answer in place of the server's, or none, or none although it was done. */
export type ApiFault =
  | { readonly status: number; readonly retryAfter?: number; readonly reason?: string }
  | { readonly cut: 'before' | 'after' }
  | { readonly text: string }
  | undefined

export interface ApiProxy {
  readonly url: string
  /** All requests so far: `GET /api/v1/…?…`. */
  readonly requests: readonly string[]
  fault: (request: string) => ApiFault
  /** Cuts all connections. */
  cut(): void
  /** The connections of now stay open, but not a byte goes through any more to the client. */
  freeze(): void
}

export async function startApiProxy(t: Test, plane: ControlPlane): Promise<ApiProxy> {
  const { certificate } = plane
  const sockets = new Set<Duplex>()
  const frozen = new WeakSet<Duplex>()
  const requests: string[] = []
  const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const asked = `${request.method} ${request.url}`
    requests.push(asked)
    const fault = proxy.fault(asked)
    if (fault && 'cut' in fault && fault.cut === 'before') return void request.socket.destroy()
    if (fault && 'status' in fault) {
      const { status, retryAfter, reason = 'Fault' } = fault
      response.writeHead(status, { 'retry-after': `${retryAfter ?? 0}` })
      return void response.end(
        JSON.stringify({ kind: 'Status', message: 'a fault of the test', reason, code: status }),
      )
    }
    if (fault && 'text' in fault) return void response.end(fault.text)
    const { method, headers } = request
    const onward = https.request(plane.url + request.url, { method, headers, ca: certificate.ca }, answer => {
      if (fault) return void request.socket.destroy()
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      response.flushHeaders()
      pass(answer)
    })
    const pass = (answer: IncomingMessage) => {
      answer.on('data', chunk => {
        if (frozen.has(request.socket)) return
        if (response.write(chunk)) return
        answer.pause()
        response.once('drain', () => answer.resume())
      })
      answer.on('end', () => frozen.has(request.socket) || response.end())
      answer.on('error', () => request.socket.destroy())
      answer.on('aborted', () => frozen.has(request.socket) || request.socket.destroy())
    }
    onward.on('error', () => request.socket.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const proxy: ApiProxy = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: () => undefined,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    freeze() {
      for (const socket of sockets) frozen.add(socket)
    },
  }
  t.teardown(() => {
    proxy.cut()
    server.close()
  })
  return proxy
}
