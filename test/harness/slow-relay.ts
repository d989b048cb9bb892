/** A way to a server of the loopback that reads from it as slowly as a test says: reads of so many bytes, and no buffer of its own. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

const AT_ONCE_BYTES = 64 * 1024

export interface SlowRelay {
  readonly url: string
  /** Bytes that came from the server. */
  readonly bytes: number
  /** From now on one read of so many bytes, then a pause, and so on. */
  slow(bytes: number, pauseMs: number): void
  /** From now on as fast as the server sends. */
  hurry(): void
}

/** For one connection at a time. Closed when the test is over. @param port of the server. */
export async function startSlowRelay(t: Test, port: number): Promise<SlowRelay> {
  const sockets = new Set<Socket>()
  let bytes = 0
  let size = AT_ONCE_BYTES
  let pauseMs = 0
  let far: Socket | undefined
  const server = createServer(client => {
    let buffer = Buffer.alloc(0)
    const take = (count: number) => {
      bytes += count
      client.write(buffer.subarray(0, count))
      if (pauseMs > 0) setTimeout(() => own.resume(), pauseMs)
      return pauseMs === 0
    }
    const onread = { buffer: () => (buffer = Buffer.alloc(size)), callback: take }
    const own = connect({ port, host: '127.0.0.1', onread })
    far = own
    for (const socket of [client, own]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.on('data', chunk => own.write(chunk))
    client.on('close', () => own.destroy())
    own.on('close', () => client.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get bytes() {
      return bytes
    },
    slow(count, everyMs) {
      size = count
      pauseMs = everyMs
    },
    hurry() {
      size = AT_ONCE_BYTES
      pauseMs = 0
      far?.resume()
    },
  }
}
