/** An HTTP client on a bare socket: it shows every byte of the answer, and can misbehave. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { until } from './until.js'

export interface RawClient {
  /** `pause()` stops reading; `end()` and `destroy()` are the two ways to disconnect. */
  readonly socket: Socket
  /** Latin-1, so that a character is a byte. */
  text(): string
  /** Everything after the first empty line. */
  body(): string
  /** Resolves when the body equals or contains this. */
  untilBody(enough: string | ((body: string) => boolean)): Promise<string>
  /** Resolves with the way in which the connection ended: by FIN, or broken. */
  readonly over: Promise<'ended' | 'broken'>
}

/** Connects and sends `request` as it is, with CRLF for each line end. Closed when the test is over. */
export async function connectRaw(test: Test, server: Server | number, request: string): Promise<RawClient> {
  const port = typeof server === 'number' ? server : (server.address() as AddressInfo).port
  const socket = connect(port, '127.0.0.1')
  test.teardown(() => socket.destroy())
  const chunks: Buffer[] = []
  let ended = false
  socket.on('data', chunk => chunks.push(chunk))
  socket.on('end', () => {
    ended = true
  })
  socket.on('error', () => {})
  const over = new Promise<'ended' | 'broken'>(resolve => {
    socket.once('close', () => resolve(ended ? 'ended' : 'broken'))
  })
  await once(socket, 'connect')
  socket.write(request.replaceAll('\n', '\r\n'))

  const text = () => Buffer.concat(chunks).toString('latin1')
  const body = () => {
    const head = text().indexOf('\r\n\r\n')
    return head < 0 ? '' : text().slice(head + 4)
  }
  return {
    socket,
    text,
    body,
    over,
    async untilBody(enough) {
      const look = typeof enough === 'string' ? () => body().includes(enough) : () => enough(body())
      await until(`the body, so far ${JSON.stringify(body().slice(-200))}`, look)
      return body()
    },
  }
}

/** A request for `path` in the given version of HTTP. */
export function get(path: string, version: '1.0' | '1.1' = '1.1', headers = ''): string {
  return `GET ${path} HTTP/${version}\nHost: localhost\n${headers}\n`
}
