/**
 * Keeps this process from taking in more than it has memory for, by two rules. While memory is low (src/limits/memory-monitor.ts)
 * no body is read; streams and pages of events ask for themselves. And at any time the bodies that arrive, and the large
 * answers that have not been taken, are so many bytes at most (src/limits/byte-budget.ts).
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ByteBudget } from '../src/limits/byte-budget.js'
import { MemoryMonitor, memoryLow } from '../src/limits/memory-monitor.js'
import { collectGarbage, type MemoryReading, ProcessMemory } from '../src/limits/process-memory.js'
import { PeriodicLoop } from '../src/process/periodic-loop.js'

declare module 'fastify' {
  interface FastifyInstance {
    memory: MemoryMonitor
    /** Of the bodies and large answers of workspaces. */
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
/** Of that, what callers without credentials hold, beside it: however many they are, they take nothing from workspaces. */
const STRANGERS_SHARE = 1 / 8
/** What is smaller fits into the buffers of the socket, and is gone at once. */
const LARGE_ANSWER_BYTES = 64 * 1024

export default fp<MemoryOptions>(
  async (app, { processes, answerTimeoutMs, read }) => {
    const memory = new ProcessMemory(processes)
    const monitor = new MemoryMonitor({
      read: read ?? (() => memory.read()),
      collect: collectGarbage,
      shed: () => app.hub.shed(),
      logger: app.log,
    })
    const bytes = memory.heapLimit * TRANSFER_SHARE
    const transfers = new ByteBudget(bytes)
    const strangers = new ByteBudget(bytes * STRANGERS_SHARE)
    app.decorate('memory', monitor)
    app.decorate('transfers', transfers)

    const checks = new PeriodicLoop({
      name: 'Checking memory',
      everyMs: CHECK_MS,
      logger: app.log,
      turn: () => monitor.check(performance.now()),
    }).start()
    app.addHook('onClose', async () => checks.stop())

    /** Charges the caller until the exchange is over. @throws {Problem} 503 `memory-low`. */
    function charging({ caller, network }: FastifyRequest, { raw }: FastifyReply): (bytes: number) => void {
      const transfer = caller ? transfers.open(caller.workspace) : strangers.open(network)
      raw.once('close', () => transfer.release())
      // The client disconnected during authentication.
      if (raw.destroyed) transfer.release()
      return bytes => {
        if (!transfer.hold(bytes)) throw memoryLow()
      }
    }

    app.addHook('preParsing', (request, reply, payload, done) => {
      if (!hasBody(request)) return done(null, payload)
      // What goes on in maintenance keeps what is there, such as a lease, or puts somebody out.
      if (monitor.state === 'low' && !request.routeOptions.config.inMaintenance) return done(memoryLow())
      request.hold = charging(request, reply)
      done(null, payload)
    })

    app.addHook<unknown>('onSend', (request, reply, payload, done) => {
      const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0
      if (bytes < LARGE_ANSWER_BYTES) return done(null, payload)
      try {
        const hold = request.hold ?? charging(request, reply)
        hold(bytes)
      } catch (error) {
        return done(error as Error)
      }
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
  { name: 'memory', dependencies: ['hub', 'request-caller', 'bodies', 'server-state'] },
)

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
