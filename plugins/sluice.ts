/**
 * Sluice as a plugin for any Fastify application:
 *
 *   await app.register(sluice, { prefix: '/live', databaseUrl, jwtSecret })
 *
 * Everything is encapsulated: routes, hooks, error handler, 404 handler, validation, parsers, rate limit, CORS and headers
 * apply only under the prefix. The application gets one decoration, `app.sluice` (see `name`). It may register the plugin
 * several times, each with its own prefix, name and database. docs/embedding.md has the options and the limits.
 */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { migrate } from '../src/database/migrate.js'
import { HTTP_SERIALIZERS } from '../src/logging/http-log.js'
import { RequestLog } from '../src/logging/request-log.js'
import gateway from './gateway.js'
import { hostApi, type Sluice } from './host-api.js'
import { requestIdFor } from './request-ids.js'
import { settingsOf } from './settings.js'
import type { SluiceOptions } from './sluice-options.js'

export type { EventSubscription, RevokedPrincipal, RevokeOptions, Sluice } from './host-api.js'
export { serverOptions } from './server-options.js'
export type { Parts, SluiceOptions } from './sluice-options.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The functions of the gateway that was registered without a `name`. */
    sluice: Sluice
  }
}

export const sluice = fp<SluiceOptions>(
  async (host, options) => {
    const { name = 'sluice', logger } = options
    const settings = settingsOf(options, host)
    if (options.migrate ?? true) await migrate(options.pool ?? settings.config.DATABASE_URL ?? '')
    let api: Sluice | undefined
    await host.register(
      async (app: FastifyInstance) => {
        app.setGenReqId(raw => requestIdFor(app, raw))
        useLogger(app, logger ?? host.log)
        await app.register(gateway, settings)
        api = hostApi(app)
        options.internals?.onGateway?.(app)
      },
      { prefix: options.prefix ?? '' },
    )
    host.decorate(name, api)
  },
  { name: 'sluice', fastify: '5.x' },
)

export default sluice

/** Uses `logger` for the plugin's background work and its requests. The serializers keep tokens in URLs out of the log. */
function useLogger(app: FastifyInstance, logger: FastifyBaseLogger): void {
  const log = logger.child({}, { serializers: HTTP_SERIALIZERS })
  Object.defineProperty(app, 'log', { value: log })
  app.setChildLoggerFactory((_, bindings, { level }) => new RequestLog(log, bindings, level))
}
