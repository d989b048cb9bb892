/** @fastify/sse as its README shows it: a set of replies, to each of which each event is sent. */
import { createRequire } from 'node:module'
import { type FastifyPluginCallback, type FastifyReply, fastify } from 'fastify'
import { listen, type Tick } from './publishing.js'

/** Its own types declare `reply.sse`, and so does the gateway: they cannot both be seen. */
interface EventStream {
  keepAlive(): void
  send(message: { id?: string; event: string; data: object }): Promise<void>
  onClose(listener: () => void): void
}

const fastifySse: FastifyPluginCallback = createRequire(import.meta.url)('@fastify/sse')
const clients = new Set<EventStream>()
let position = 0

const app = fastify({ bodyLimit: 4 * 1024 * 1024 })
await app.register(fastifySse)

app.route({
  method: 'GET',
  url: '/api/events',
  // An option of @fastify/sse that is missing from Fastify's types; the spread avoids the excess-property check.
  ...{ sse: true },
  handler: async (_request, reply: FastifyReply) => {
    const stream = reply.sse as unknown as EventStream
    stream.keepAlive()
    await stream.send({ event: 'server.state', data: {} })
    clients.add(stream)
    stream.onClose(() => clients.delete(stream))
  },
})

app.post<{ Body: Tick | Tick[] }>('/api/events', async (request, reply) => {
  const messages = [request.body].flat().map(({ type, data }) => {
    position += 1
    return { id: `${position}.aaaaaa`, event: type, data }
  })
  await Promise.all([...clients].map(client => sendAll(client, messages)))
  return reply.code(201).send({})
})

await app.ready()
listen(app.server)

/** One after another, because it adds listeners to the response for each waiting call. */
async function sendAll(client: EventStream, messages: readonly Parameters<EventStream['send']>[0][]) {
  for (const message of messages) await client.send(message)
}
