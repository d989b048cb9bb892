/**
 * The connections of clients: not more than this process has file descriptors for (src/limits/descriptors.ts), and none that
 * keeps a closing process waiting. A server that closes waits for every connection but those that are idle after a request;
 * Node no longer ends one that has sent nothing, or half a request, and it would stay for ever.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { Descriptors } from '../src/limits/descriptors.js'
import { PeriodicLoop } from '../src/process/periodic-loop.js'
import { shortageIn } from '../src/process/shortage.js'

declare module 'fastify' {
  interface FastifyInstance {
    descriptors: Descriptors
  }
}

export interface ConnectionsOptions {
  readonly maxStreams: number
  /** Connections that this process opens itself, at most. */
  readonly outgoing: number
}

const CHECK_MS = 1_000
/** How long a request that is still arriving when the process closes has left to arrive. */
const LAST_REQUEST_MS = 3_000

export default fp<ConnectionsOptions>(
  async (app, { maxStreams, outgoing }) => {
    const { server, log: logger } = app
    const descriptors = new Descriptors({ outgoing, logger })
    app.decorate('descriptors', descriptors)

    const apply = () => {
      const { connections } = descriptors.room
      if (Number.isFinite(connections)) server.maxConnections = connections
    }
    apply()
    const { limit, room } = descriptors
    if (limit === undefined) logger.info({}, 'The limit of open files is not known here, and not looked at.')
    else if (room.streams < maxStreams) {
      logger.warn(
        { limit, streams: room.streams, maxStreams },
        'There are file descriptors for fewer streams than MAX_STREAMS: those beyond get `unavailable`. ' +
          'Raise the limit of open files (ulimit -n, LimitNOFILE=), or lower MAX_STREAMS.',
      )
    }
    const checks = new PeriodicLoop({
      name: 'Checking file descriptors',
      everyMs: CHECK_MS,
      logger,
      turn() {
        descriptors.check()
        apply()
      },
    }).start()
    server.on('drop', () => descriptors.refused())
    // Of accepting; what keeps a server from listening is told to the caller of listen.
    server.on('error', error => {
      if (!('syscall' in error) || error.syscall !== 'accept') return
      if (shortageIn(error)) descriptors.refused()
      else logger.error({ err: error }, 'A connection could not be accepted.')
    })

    /** The request that is being answered on a connection, if any. */
    const open = new Map<Socket, IncomingMessage | undefined>()
    server.on('connection', socket => {
      open.set(socket, undefined)
      socket.once('close', () => open.delete(socket))
    })
    server.prependListener('request', (request, response) => {
      const { socket } = request
      if (open.has(socket)) open.set(socket, request)
      response.once('close', () => open.has(socket) && open.set(socket, undefined))
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
  // Behind these, so that streams have been told when connections end.
  { name: 'connections', dependencies: ['hub', 'sse'] },
)
