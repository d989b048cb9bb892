/**
 * The common part of the baselines in Node: a POST whose body is one event or several, and the address at which they
 * listen.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

export interface Tick {
  readonly type: string
  readonly data: object
}

export async function ticksOf(request: IncomingMessage): Promise<Tick[]> {
  let body = ''
  request.setEncoding('utf8')
  for await (const chunk of request) body += chunk
  return [JSON.parse(body)].flat()
}

/** Serves clients, to which `publish` writes the events of each POST as frames. */
export function serve(publish: (ticks: readonly Tick[], write: (frame: string) => void) => unknown): void {
  const clients = new Set<ServerResponse>()
  const write = (frame: string) => {
    for (const client of clients) client.write(frame)
  }
  listen(
    createServer(async (request, response) => {
      if (request.method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
        response.write('event: server.state\ndata: {}\n\n')
        clients.add(response)
        response.on('close', () => clients.delete(response))
        return
      }
      await publish(await ticksOf(request), write)
      response.writeHead(201).end('{}')
    }),
  )
}

export function frameOf(position: number | string, type: string, data: string): string {
  return `id: ${position}.aaaaaa\nevent: ${type}\ndata: ${data}\n\n`
}

/** Reports the server's address to the parent process. */
export function listen(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}`)
  })
}
