/** The bus: through `app.bus` this process wakes the others, and its tailer hears theirs. It closes with the app. */
import fp from 'fastify-plugin'
import type { Bus } from '../src/bus/bus.js'
import { type BusSettings, openBus } from '../src/bus/open-bus.js'

declare module 'fastify' {
  interface FastifyInstance {
    bus: Bus
  }
}

export interface BusOptions {
  /** The application's own bus, or the settings of one. */
  readonly bus: Bus | BusSettings
}

export default fp<BusOptions>(
  async (app, { bus: given }) => {
    const { database, log: logger } = app
    const bus = given && 'wake' in given ? given : openBus(given, { database, logger })
    app.decorate('bus', bus)
    app.addHook('onClose', () => bus.close())
  },
  { name: 'bus', dependencies: ['database'] },
)
