/**
 * A bare Node server that writes each event to each client with `res.write(string)`. No database, no tokens, no
 * replay: nothing that Sluice adds.
 */
import { createServer, type ServerResponse } from 'node:http'
import { listen, ticksOf } from './publishing.js'

const clients = new Set<ServerResponse>()
let position = 0

listen(
  createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      response.write('event: server.state\ndata: {}\n\n')
      clients.add(response)
      response.on('close', () => clients.delete(response))
      return
    }
    for (const { type, data } of await ticksOf(request)) {
      position += 1
      const frame = `id: ${position}.aaaaaa\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
      for (const client of clients) client.write(frame)
    }
    response.writeHead(201).end('{}')
  }),
)
