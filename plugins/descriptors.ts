/** The file descriptors of this process: how many streams it has room for (src/limits/descriptors.ts). */
import fp from 'fastify-plugin'
import { Descriptors } from '../src/limits/descriptors.js'
import { PeriodicLoop } from '../src/process/periodic-loop.js'

declare module 'fastify' {
  interface FastifyInstance {
    descriptors: Descriptors
  }
}

export interface DescriptorsOptions {
  readonly maxStreams: number
  /** Maximum number of connections that this process opens itself. */
  readonly outgoing: number
}

const CHECK_MS = 1_000

export default fp<DescriptorsOptions>(
  async (app, { maxStreams, outgoing }) => {
    const { log: logger } = app
    const descriptors = new Descriptors({ outgoing, logger })
    app.decorate('descriptors', descriptors)

    const { limit, room } = descriptors
    if (limit === undefined) {
      logger.info({}, 'The limit of open files is unknown on this system, so it is not enforced.')
    } else if (room.streams < maxStreams) {
      logger.warn(
        { limit, streams: room.streams, maxStreams },
        'This process has too few file descriptors for MAX_STREAMS: further clients get `unavailable`. ' +
          'Raise the limit of open files (ulimit -n, LimitNOFILE=), or lower MAX_STREAMS.',
      )
    }
    const checks = new PeriodicLoop({
      name: 'Checking file descriptors',
      everyMs: CHECK_MS,
      logger,
      turn: () => descriptors.check(),
    }).start()
    app.addHook('onClose', async () => checks.stop())
  },
  { name: 'descriptors' },
)
