/** A sender of webhooks with times for tests, and receivers on loopback. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createRawServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { parseRange } from '../../src/network/address-range.js'
import { type BreakerOptions, Breakers } from '../../src/network/circuit-breaker.js'
import { createHostAddresses } from '../../src/network/host-addresses.js'
import {
  createSender,
  type Sender,
  type SenderOptions,
  type SendRequest,
} from '../../src/webhooks/sending/sender.js'
import { patient } from './patience.js'

/** Long enough for every answer that arrives at all. */
const ANSWER_MS = 15_000

export interface SenderSettings extends Partial<SenderOptions> {
  /** Name servers; default those of the system. */
  readonly servers?: readonly string[]
  /** Networks that are open; default 127.0.0.1 only. */
  readonly networks?: readonly string[]
  readonly breaker?: BreakerOptions
}

export function testSender(t: Test, settings: SenderSettings = {}): Sender {
  const { servers, networks = ['127.0.0.1'], breaker, ...options } = settings
  const sender = createSender({
    policy: { allowed: networks.flatMap(text => parseRange(text) ?? []), httpsOnly: true },
    addresses: createHostAddresses({ system: false, ...(servers && { servers }) }),
    breakers: new Breakers(breaker),
    timeoutMs: patient(ANSWER_MS),
    ...options,
  })
  t.teardown(() => sender.close())
  return sender
}

/** A request of the workspace `a` with a small body. */
export function requestTo(url: string, members: Partial<SendRequest> = {}): SendRequest {
  return { url, headers: { 'content-type': 'application/json' }, body: '{}', workspace: 'a', ...members }
}

export interface Receiver {
  readonly url: string
  readonly port: number
  /** Connections so far. */
  readonly connections: { count: number; open: number }
}

export async function httpReceiver(
  t: Test,
  listener: RequestListener,
  host = '127.0.0.1',
  port = 0,
): Promise<Receiver> {
  return await listening(t, createServer(listener), host, port)
}

/** A receiver that does with each connection whatever it likes, after the first bytes of a request. */
export async function rawReceiver(t: Test, onRequest: (socket: Socket) => void): Promise<Receiver> {
  const server = createRawServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => onRequest(socket))
  })
  return await listening(t, server, '127.0.0.1', 0)
}

export async function listening(t: Test, server: Server, host: string, port: number): Promise<Receiver> {
  const connections = { count: 0, open: 0 }
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.count++
    connections.open++
    sockets.add(socket)
    socket.on('close', () => {
      connections.open--
      sockets.delete(socket)
    })
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  const bound = typeof address === 'object' && address ? address.port : 0
  return { url: `http://${host}:${bound}`, port: bound, connections }
}
