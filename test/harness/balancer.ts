/** One TCP address in front of several gateways. A new connection goes to the first of them that accepts it. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { succeeds } from './until.js'

export interface Balancer {
  readonly url: string
  /** Their ports, in the order in which they are tried. Connections that are open stay where they are. */
  ports: readonly number[]
}

/** Closed when the test is over. */
export async function startBalancer(test: Test, ports: readonly number[]): Promise<Balancer> {
  const sockets = new Set<Socket>()
  const server = createServer(async client => {
    keep(client)
    const gateway = await firstThatAccepts(balancer.ports)
    if (gateway) keep(gateway)
    if (!gateway || client.destroyed) {
      client.destroy()
      gateway?.destroy()
      return
    }
    // A connection that breaks on one side breaks on the other, as through a real balancer.
    client.pipe(gateway).on('close', () => client.destroy())
    gateway.pipe(client).on('close', () => gateway.destroy())
  })
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const balancer = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ports }
  return balancer
}

async function firstThatAccepts(ports: readonly number[]): Promise<Socket | undefined> {
  for (const port of ports) {
    const socket = connect(port, '127.0.0.1')
    const accepted = await succeeds(once(socket, 'connect'))
    if (accepted) return socket
  }
  return undefined
}
