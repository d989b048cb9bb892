/**
 * Counts the streams that one principal, one workspace and one address hold open in this process
 * (src/limits/stream-slots.ts).
 */
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
    /**
     * Takes a slot for the request's principal, or names the limit that is reached. The caller must release the slot.
     */
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
