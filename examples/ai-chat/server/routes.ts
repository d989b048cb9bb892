/** What the page asks of its own server. The tokens themselves it gets from the gateway, which no restart of this server interrupts. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Chats } from './chats.js'
import type { Credentials } from './credentials.js'

export interface AppOptions {
  readonly chats: Chats
  readonly credentials: Credentials
  /** The gateway's URL, as browsers see it. */
  readonly gateway: string
  /** The folder of the built page. */
  readonly pageFolder: URL
}

const Id = Type.String({ pattern: '^[A-Za-z0-9_-]{1,48}$' })
const Chat = Type.Object({ chat: Id })
const Message = Type.Object({
  id: Id,
  role: Type.String(),
  parts: Type.Array(Type.Object({ type: Type.String(), text: Type.Optional(Type.String()) })),
})
const Ask = Type.Object({ id: Id, messages: Type.Array(Message, { minItems: 1 }) })

const FILES = { 'page.js': 'text/javascript', 'page.css': 'text/css' } as const

export function buildApp({ chats, credentials, gateway, pageFolder }: AppOptions): FastifyInstance {
  const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
  const policy = `default-src 'self'; img-src data:; connect-src 'self' ${new URL(gateway).origin}`
  const read = (name: string) => readFileSync(new URL(name, pageFolder))

  for (const [name, type] of Object.entries(FILES)) {
    app.get(`/${name}`, (_request, reply) => reply.type(type).send(read(name)))
  }
  app.get('/', (_request, reply) => reply.redirect(`/c/${randomUUID()}`))
  app.get('/c/:chat', { schema: { params: Chat } }, (_request, reply) =>
    reply.header('content-security-policy', policy).type('text/html').send(read('index.html')),
  )

  // Your application looks here whether the user may have this chat. In this example its id is the secret.
  app.put('/api/chat/:chat', { schema: { params: Chat } }, async ({ params: { chat } }) => ({
    ...(await chats.open(chat)),
    gateway,
  }))
  app.post('/api/chat/:chat/token', { schema: { params: Chat } }, ({ params: { chat } }) => ({
    token: credentials.ofPage(chat),
  }))

  // The three requests of the transport.
  app.post('/api/chat', { schema: { body: Ask } }, async ({ body }, reply) => {
    const message = body.messages.at(-1)
    const text = message?.parts.map(part => part.text ?? '').join('') ?? ''
    if (message?.role !== 'user' || !text.trim())
      return await reply.code(400).send({ error: 'The last message must be a question.' })
    const stream = await chats.ask({ id: message.id, chat: body.id, text })
    if (!stream) return await reply.code(409).send({ error: 'This chat waits for an answer: stop it first.' })
    return await reply.code(202).send({ stream })
  })
  app.get('/api/chat/:chat/stream', { schema: { params: Chat } }, async ({ params: { chat } }, reply) => {
    const stream = await chats.streamOf(chat)
    return stream ? { stream } : await reply.code(204).send()
  })
  app.post('/api/chat/:chat/stop', { schema: { params: Chat } }, async ({ params: { chat } }, reply) => {
    await chats.stop(chat)
    return await reply.code(204).send()
  })
  return app
}
