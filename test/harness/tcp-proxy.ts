/** A network between a client and a server of the loopback that can be cut, or go silent, and come back. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { freePort } from './port.js'

export interface TcpProxy {
  readonly port: number
  /** Connections accepted so far. */
  readonly accepted: number
  /** Connections that clients hold right now. */
  readonly open: number
  /** What happens to connections that are accepted from now on: they lead to the server, or are never answered. */
  mode: 'pass' | 'silent'
  /** The time that each piece of data takes towards the server, in milliseconds. */
  delayMs: number
  /** The connections of now stay open, but not a byte goes through any more, either way. */
  freeze(): void
  /** Cuts all connections and accepts no more. */
  unplug(): Promise<void>
  /** Accepts connections again, at the same port. */
  plugIn(): Promise<void>
}

/**
 * At a port of its own also while it is unplugged: the system gives it to no outgoing connection. Closed when the test is over.
 * @param port of the server.
 */
export async function startTcpProxy(t: Test, port: number): Promise<TcpProxy> {
  const pairs = new Map<Socket, Socket | undefined>()
  const own = await freePort()
  let accepted = 0
  const server = createServer({ allowHalfOpen: false }, client => {
    accepted += 1
    const far = proxy.mode === 'pass' ? connect(port, '127.0.0.1') : undefined
    pairs.set(client, far)
    client.on('error', () => {})
    client.on('close', () => {
      pairs.delete(client)
      far?.destroy()
    })
    client.on('data', bytes => {
      if (proxy.delayMs === 0) far?.write(bytes)
      else setTimeout(() => far?.write(bytes), proxy.delayMs)
    })
    far?.on('error', () => {})
    far?.on('data', bytes => client.write(bytes))
    far?.on('close', () => client.destroy())
  })
  const proxy: TcpProxy = {
    port: own,
    get accepted() {
      return accepted
    },
    get open() {
      return pairs.size
    },
    mode: 'pass',
    delayMs: 0,
    freeze() {
      for (const [client, far] of pairs) {
        client.removeAllListeners('data').resume()
        far?.removeAllListeners('data').removeAllListeners('close').resume()
      }
    },
    async unplug() {
      for (const client of pairs.keys()) client.destroy()
      if (server.listening) await new Promise(resolve => server.close(resolve))
    },
    async plugIn() {
      await once(server.listen(own, '127.0.0.1'), 'listening')
    },
  }
  t.teardown(() => proxy.unplug())
  await proxy.plugIn()
  return proxy
}
