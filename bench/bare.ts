/**
 * The baseline of fan-out: a bare Node server that writes each event to each client with `res.write(string)`. No
 * database, no tokens, no replay: what is left when everything that Sluice is for is taken away.
 */
import { createServer, type ServerResponse } from 'node:http'

const clients = new Set<ServerResponse>()
let position = 0

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.write('event: server.state\ndata: {}\n\n')
    clients.add(response)
    response.on('close', () => clients.delete(response))
    return
  }
  let body = ''
  request.setEncoding('utf8')
  request.on('data', chunk => {
    body += chunk
  })
  request.on('end', () => {
    const { type, data } = JSON.parse(body) as { type: string; data: object }
    position += 1
    const frame = `id: ${position}.aaaaaa\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
    for (const client of clients) client.write(frame)
    response.writeHead(201).end('{}')
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}`)
})
