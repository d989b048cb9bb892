/** A gateway's place, taken by a small server that answers one request after the other as its script says. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export type Answer = (response: ServerResponse) => void

export interface StandInStream {
  readonly url: string
  /** The `Last-Event-ID` of each request. */
  readonly resumedAfter: readonly (string | undefined)[]
}

/** @param script beyond it every request is answered 204: the stream has ended. */
export async function startStandInStream(t: Test, script: readonly Answer[]): Promise<StandInStream> {
  const resumedAfter: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const answer = script[resumedAfter.length] ?? status(204)
    resumedAfter.push(request.headers['last-event-id']?.toString())
    answer(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, resumedAfter }
}

/** An answer without a stream. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return response => {
    response.writeHead(code, headers).end()
  }
}

/** A stream of these texts or bytes, each a chunk of its own, which then ends cleanly. */
export function stream(...chunks: readonly (string | Uint8Array)[]): Answer {
  return response => {
    open(response, chunks)
    response.end()
  }
}

/** The same, but the connection breaks off. */
export function broken(...chunks: readonly (string | Uint8Array)[]): Answer {
  return response => {
    open(response, chunks)
    response.write('', () => response.destroy())
  }
}

/** A line of output, as the dialect for remote commands writes it. */
export function output(position: number, line: string): string {
  const data = JSON.stringify({ line, stream: 'stdout' })
  return `id: ${position}.aaaaaa\nevent: output\ndata: ${data}\n\n`
}

function open(response: ServerResponse, chunks: readonly (string | Uint8Array)[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const chunk of chunks) response.write(chunk)
}
