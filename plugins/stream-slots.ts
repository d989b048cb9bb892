/** How many streams of one principal, one workspace and one address this process holds open (src/limits/stream-slots.ts). */
import fp from 'fastify-plugin'
import {
  type StreamCaps,
  type StreamLimit,
  type StreamSlot,
  StreamSlots,
} from '../src/limits/stream-slots.js'

declare module 'fastify' {
  interface FastifyInstance {
    streamSlots: StreamSlots
    /** A slot for the principal of the request, or the limit that leaves none. Whoever has it gives it back. */
    takeStreamSlot(request: FastifyRequest): StreamSlot | StreamLimit
  }
}

export default fp<{ readonly caps: StreamCaps }>(
  async (app, { caps }) => {
    const slots = new StreamSlots(caps)
    app.decorate('streamSlots', slots)
    app.decorate('takeStreamSlot', request => {
      const { workspace, id } = request.principal
      return slots.take({ workspace, id, address: request.network })
    })
  },
  { name: 'stream-slots', dependencies: ['request-caller'] },
)
