/** The bus: `app.bus` wakes the other processes, and the tailer hears them. It closes with the app. */
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
   * A bus of the application, or the direct connection for LISTEN and NOTIFY; undefined: no NOTIFY at all, events are found by
   * polling.
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
