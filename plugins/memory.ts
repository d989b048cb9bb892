/**
 * Prevents this process from accepting more than it has memory for, with two rules. While memory is low
 * (src/limits/memory-monitor.ts) no body is read; streams and pages of events check this themselves. And at any time
 * the bytes of arriving bodies and of unsent large responses are bounded (src/limits/byte-budget.ts).
 */
import { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { whenClosed } from '../src/http/client-disconnect.js'
import { ByteBudget } from '../src/limits/byte-budget.js'
import { MemoryMonitor, memoryLow } from '../src/limits/memory-monitor.js'
import { collectGarbage, type MemoryReading, ProcessMemory } from '../src/limits/process-memory.js'
import { PeriodicLoop } from '../src/process/periodic-loop.js'

declare module 'fastify' {
  interface FastifyInstance {
    memory: MemoryMonitor
    /** The budget for bodies and large responses of workspaces. */
    transfers: ByteBudget
  }
}

export interface MemoryOptions {
  /** Gateways that share the memory of the machine or container, this one included. */
  readonly processes: number
  /** Milliseconds after which a large response that the client does not read is dropped. */
  readonly answerTimeoutMs: number
  /** Reads the memory in use and its limits. Default: the real ones. */
  readonly read?: (() => MemoryReading) | undefined
}

const CHECK_MS = 250
/**
 * The budget's share of the heap. A body takes up to four times its bytes until it is stored: as received, as text, and
 * on its way to Postgres.
 */
const TRANSFER_SHARE = 1 / 8
/** A further share of that budget for all unauthenticated callers together, so they take nothing from workspaces. */
const STRANGERS_SHARE = 1 / 8
/** Smaller responses fit into the socket's buffers and are sent at once. */
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

    // The first answer of `/ready` says how full it is.
    monitor.check(performance.now())
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
      whenClosed(raw, () => transfer.release())
      return bytes => {
        if (!transfer.hold(bytes)) throw memoryLow()
      }
    }

    app.addHook('preParsing', (request, reply, payload, done) => {
      if (!hasBody(request)) return done(null, payload)
      // Requests that maintenance allows either keep existing work alive, such as a lease, or remove access.
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
      giveUpWhenStalled(request, reply)
      done(null, payload)
    })

    /** The large answers of each socket that are not written yet: a client may send its next requests before it has read the first answer. */
    const unwritten = new WeakMap<Socket, number>()

    /** A client that requests much and reads nothing would hold the memory forever. */
    function giveUpWhenStalled({ raw: { socket } }: FastifyRequest, { raw }: FastifyReply): void {
      // An injected request has no socket that can time out. (The response gets its socket when those before it are written.)
      if (!(socket instanceof Socket)) return
      unwritten.set(socket, (unwritten.get(socket) ?? 0) + 1)
      socket.setTimeout(answerTimeoutMs)
      // Prepended, to run before the server sets its own timeout for the next request.
      raw.prependOnceListener('finish', () => {
        const left = (unwritten.get(socket) ?? 1) - 1
        unwritten.set(socket, left)
        if (left === 0) socket.setTimeout(0)
      })
    }
  },
  { name: 'memory', dependencies: ['hub', 'request-caller', 'bodies', 'server-state'] },
)

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
