/**
 * Keeps this process from taking in more than it has memory for, by two rules. While memory is low (src/limits/memory-guard.ts)
 * no body is read; streams and pages of events ask for themselves. And at any time the bodies that arrive, and the large
 * answers that have not been taken, are so many bytes at most (src/limits/byte-budget.ts).
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Housekeeping } from '../src/housekeeping.js'
import { ByteBudget } from '../src/limits/byte-budget.js'
import { MemoryGuard, memoryLow } from '../src/limits/memory-guard.js'
import { collectGarbage, type MemoryReading, ProcessMemory } from '../src/limits/process-memory.js'

declare module 'fastify' {
  interface FastifyInstance {
    memory: MemoryGuard
    /** Of bodies and large answers. */
    transfers: ByteBudget
  }
}

export interface MemoryOptions {
  /** Gateways that share the memory of the machine or container, this one included. */
  readonly processes: number
  /** After how many ms a large answer is given up of which nothing is taken. */
  readonly answerTimeoutMs: number
  /** Default: what is so. */
  readonly read?: (() => MemoryReading) | undefined
}

const CHECK_MS = 250
/** Of the heap. A body costs its bytes up to four times until it is stored: as it came, as text, on its way to Postgres. */
const TRANSFER_SHARE = 1 / 8
/** What is smaller fits into the buffers of the socket, and is gone at once. */
const LARGE_ANSWER_BYTES = 64 * 1024

export default fp<MemoryOptions>(
  async (app, { processes, answerTimeoutMs, read }) => {
    const memory = new ProcessMemory(processes)
    const guard = new MemoryGuard({
      read: read ?? (() => memory.read()),
      collect: collectGarbage,
      shed: () => app.hub.shed(),
      logger: app.log,
    })
    const budget = new ByteBudget(memory.heapLimit * TRANSFER_SHARE)
    app.decorate('memory', guard)
    app.decorate('transfers', budget)

    const checks = new Housekeeping({
      ...{ what: 'Checking memory', everyMs: CHECK_MS, logger: app.log },
      turn: () => guard.check(performance.now()),
    }).start()
    app.addHook('onClose', async () => checks.stop())

    /** Until the exchange is over. */
    function hold({ caller }: FastifyRequest, { raw }: FastifyReply, bytes: number): boolean {
      const release = budget.take(caller?.workspace ?? '', bytes)
      if (!release) return false
      raw.once('close', release)
      // The client left while it was looked at who it is.
      if (raw.destroyed) release()
      return true
    }

    app.addHook('preParsing', (request, reply, payload, done) => {
      const bytes = bodyBytes(request)
      // What goes on in maintenance keeps what is there, such as a lease, or puts somebody out.
      const isNew = bytes > 0 && !request.routeOptions.config.inMaintenance
      if (isNew && guard.state === 'low') done(memoryLow())
      else if (bytes > 0 && !hold(request, reply, bytes)) done(memoryLow())
      else done(null, payload)
    })

    app.addHook<unknown>('onSend', (request, reply, payload, done) => {
      const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0
      if (bytes < LARGE_ANSWER_BYTES) return done(null, payload)
      if (!hold(request, reply, bytes)) return done(memoryLow())
      giveUpWhenStalled(reply)
      done(null, payload)
    })

    /** A client that asks for much and reads nothing of it would hold it for ever. */
    function giveUpWhenStalled({ raw }: FastifyReply): void {
      const { socket } = raw
      socket?.setTimeout(answerTimeoutMs)
      // Before the server sets its own time for the next request.
      raw.prependOnceListener('finish', () => socket?.setTimeout(0))
    }
  },
  { name: 'memory', dependencies: ['hub', 'rate-limit'] },
)

/** Of the body that is to come, at most; 0 where there is none. */
function bodyBytes({ headers, routeOptions }: FastifyRequest): number {
  const limit = routeOptions.bodyLimit ?? 0
  if (headers['transfer-encoding'] !== undefined) return limit
  return Math.min(Number(headers['content-length'] ?? 0), limit)
}
