/**
 * Manages the connections of a server that serves only Sluice. It accepts no more than this process has file descriptors for,
 * and lets none keep a closing server waiting. A closing server waits for every connection except those that are idle after
 * a request. Node then no longer ends a connection that has sent nothing, or half a request: it would stay open for ever.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { PeriodicLoop } from '../src/process/periodic-loop.js'
import { shortageIn } from '../src/process/shortage.js'

const CHECK_MS = 1_000
/** How long a request may still take to arrive once the server has begun to close. */
const LAST_REQUEST_MS = 3_000

export default fp(
  async app => {
    const { server, descriptors, log: logger } = app

    const apply = () => {
      const { connections } = descriptors.room
      if (Number.isFinite(connections)) server.maxConnections = connections
    }
    apply()
    const checks = new PeriodicLoop({
      name: 'Limiting connections',
      everyMs: CHECK_MS,
      logger,
      turn: apply,
    }).start()
    server.on('drop', () => descriptors.refused())
    // Only errors of accept: `listen` reports its own errors to its caller.
    server.on('error', error => {
      if (!('syscall' in error) || error.syscall !== 'accept') return
      if (shortageIn(error)) descriptors.refused()
      else logger.error({ err: error }, 'Failed to accept a connection.')
    })

    /** The request that is being answered on a connection, if any. */
    const open = new Map<Socket, IncomingMessage | undefined>()
    // Each open stream keeps its listeners. So they are not added by `once`, which wraps them, and this one is shared.
    function forget(this: Socket): void {
      open.delete(this)
    }
    server.on('connection', socket => {
      open.set(socket, undefined)
      socket.on('close', forget)
    })
    server.prependListener('request', (request, response) => {
      const { socket } = request
      if (open.has(socket)) open.set(socket, request)
      response.on('close', () => open.has(socket) && open.set(socket, undefined))
    })
    const endSilent = (isOver: (socket: Socket, request: IncomingMessage | undefined) => boolean) => {
      for (const [socket, request] of open) if (isOver(socket, request)) socket.destroy()
    }
    let late: NodeJS.Timeout | undefined
    app.addHook('preClose', async () => {
      endSilent((socket, request) => request === undefined && socket.bytesRead === 0)
      late = setTimeout(
        endSilent,
        LAST_REQUEST_MS,
        (_: Socket, request?: IncomingMessage) => !request?.complete,
      )
    })
    app.addHook('onClose', async () => {
      clearTimeout(late)
      checks.stop()
    })
  },
  // Registered after server-state and sse: their preClose hooks end the streams before this one ends connections.
  { name: 'connections', dependencies: ['descriptors'] },
)
