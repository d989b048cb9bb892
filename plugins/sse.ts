/**
 * Decorates replies with two ways to stream, for Sluice's own routes and for any route of a host application:
 *
 *   app.get('/clock', (request, reply) => reply.sse().sendAll(ticks()))
 *
 * `reply.sse(options?)` opens an event stream and returns it (src/sse/message-stream.ts): `send`, `sendAll`, `end`,
 * `signal`, `closed`. `reply.openSink(contentType)` opens the response and returns the bare sink. Both send the head
 * at once, with the headers that hooks and plugins have set, and take the reply out of Fastify's hands. A HEAD
 * request gets only the head. The app's close ends the streams of `reply.sse`.
 */
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { SendQueues } from '../src/network/send-queues.js'
import { MessageStream, type MessageStreamOptions } from '../src/sse/message-stream.js'
import { Sink, sendHead } from '../src/sse/sink.js'

declare module 'fastify' {
  interface FastifyReply {
    sse(options?: MessageStreamOptions): MessageStream
    openSink(contentType: string): Sink
  }
}

function openSink(reply: FastifyReply, contentType: string, queues: SendQueues): Sink {
  reply.headers({
    'content-type': contentType,
    // private: no shared cache stores one principal's data. no-transform: a compressing proxy would hold events back
    // until its buffer is full.
    'cache-control': 'private, no-cache, no-transform',
    // Otherwise nginx buffers responses; it removes this header.
    'x-accel-buffering': 'no',
  })
  // Throws for an invalid header; until then Fastify handles the error.
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as Record<string, string>)
  reply.hijack()
  if (reply.request.method === 'HEAD') reply.raw.end()
  else sendHead(reply.raw)
  return new Sink(reply.raw, queues)
}

export default fp(
  async app => {
    const open = new Set<MessageStream>()
    const queues = new SendQueues()
    let closing = false

    app.decorateReply('openSink', function (this: FastifyReply, contentType: string) {
      return openSink(this, contentType, queues)
    })
    app.decorateReply('sse', function (this: FastifyReply, options?: MessageStreamOptions) {
      const stream = new MessageStream(this.openSink('text/event-stream'), options)
      open.add(stream)
      void stream.closed.then(() => open.delete(stream))
      // The app began to close while the route was running, before it opened this stream.
      if (closing) stream.end()
      return stream
    })

    // preClose: the server waits for open responses before onClose.
    app.addHook('preClose', async () => {
      closing = true
      for (const stream of open) stream.end()
    })
  },
  { name: 'sse' },
)
