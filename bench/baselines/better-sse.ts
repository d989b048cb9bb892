/** better-sse as its README shows it: a channel that broadcasts to sessions. */
import { createServer } from 'node:http'
import { createChannel, createSession } from 'better-sse'
import { listen, ticksOf } from './publishing.js'

const channel = createChannel()
let position = 0

listen(
  createServer(async (request, response) => {
    if (request.method === 'GET') {
      const session = await createSession(request, response)
      session.push({}, 'server.state')
      channel.register(session)
      return
    }
    for (const { type, data } of await ticksOf(request)) {
      position += 1
      channel.broadcast(data, type, { eventId: `${position}.aaaaaa` })
    }
    response.writeHead(201).end('{}')
  }),
)
