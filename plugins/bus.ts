/** The bus, from its start to its close. `app.bus` tells the other processes; the tailer hears them. */
import type { FastifyPluginAsync } from 'fastify'
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
  /** Direct connection for LISTEN and NOTIFY; undefined: no NOTIFY at all, events are found by the poll. */
  readonly url: string | undefined
}

const plugin: FastifyPluginAsync<BusOptions> = async (app, { url }) => {
  const bus: Bus = url === undefined ? new MemoryBus() : new PostgresBus({ url, logger: app.log })
  app.decorate('bus', bus)
  app.addHook('onClose', () => bus.close())
}

export default fp(plugin, { name: 'bus' })
