/** Long responses of lines (NDJSON), which last as long as the client reads. An incomplete one is cut off, not ended. */
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { workspaceNotGranted } from '../src/auth/grants/grant-problem.js'
import type { Grants } from '../src/auth/grants/grants.js'
import { NDJSON } from '../src/bytes/media-type.js'
import type { StreamSlot } from '../src/limits/stream-slot.js'
import { tooManyStreams } from '../src/limits/stream-slots.js'
import { STALLED_MS } from '../src/sse/sink.js'

export class LineExports {
  readonly #app: FastifyInstance
  readonly #open = new Set<Readable>()

  constructor(app: FastifyInstance) {
    this.#app = app
    // In preClose, because the server waits for open responses before onClose.
    app.addHook('preClose', async () => {
      for (const lines of this.#open) lines.destroy()
    })
  }

  /**
   * Sends the lines until their end, or until the credentials end.
   * @param start begins to read them.
   * @throws {Problem} as `Guard.current`, and 429 `too-many-streams`.
   */
  send(request: FastifyRequest, reply: FastifyReply, start: () => Readable): FastifyReply {
    const { guard } = this.#app
    guard.current(request.principal)
    const slot = this.#slotOf(request)
    const watch = guard.watch(request.principal, { assertHeldBy: refuseGrants })
    const lines = start()
    this.#open.add(lines)
    // If the credentials expire or are revoked, the export ends, even in the middle of a piece.
    const end = () => lines.destroy()
    if (watch.signal.aborted) end()
    else watch.signal.addEventListener('abort', end)
    lines.once('close', () => {
      watch.stop()
      this.#open.delete(lines)
      slot.release()
    })
    reply.raw.setTimeout(STALLED_MS, () => reply.raw.destroy())
    return reply.type(NDJSON).send(lines)
  }

  /** An export lasts as long as the client reads, so it counts as a stream. */
  #slotOf(request: FastifyRequest): StreamSlot {
    const slot = this.#app.takeStreamSlot(request)
    if (typeof slot === 'string') throw tooManyStreams(slot)
    return slot
  }
}

/** An export that goes on must end when its key gets grants. */
function refuseGrants(grants: Grants | undefined): void {
  if (grants) throw workspaceNotGranted()
}
