/** The bus: through `app.bus` this process wakes the others, and its tailer hears theirs. It closes with the app. */
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { Bus } from '../src/bus/bus.js'
import { MemoryBus } from '../src/bus/memory-bus.js'
import { PostgresBus } from '../src/bus/postgres-bus.js'

declare module 'fastify' {
  interface FastifyInstance {
    bus: Bus
  }
}

export interface BusOptions {
  /**
   * The application's own bus, or the URL of a direct connection for LISTEN and NOTIFY. Undefined: no NOTIFY; this process
   * polls for events.
   */
  readonly bus: Bus | { readonly url: string } | undefined
}

const plugin: FastifyPluginAsync<BusOptions> = async (app, { bus: given }) => {
  const bus = busOf(given, app.log)
  app.decorate('bus', bus)
  app.addHook('onClose', () => bus.close())
}

export default fp(plugin, { name: 'bus' })

function busOf(given: BusOptions['bus'], logger: FastifyBaseLogger): Bus {
  if (given === undefined) return new MemoryBus()
  return 'url' in given ? new PostgresBus({ url: given.url, logger }) : given
}
