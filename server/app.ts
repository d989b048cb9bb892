/** The server of the process: the first application that mounts the plugin (plugins/sluice.ts), and nothing else. */
import { availableParallelism } from 'node:os'
import Fastify, { type FastifyInstance, type FastifyServerOptions, LogController } from 'fastify'
import { type SluiceOptions, serverOptions, sluice } from '../plugins/sluice.js'
import type { Config } from '../src/config/config.js'
import { optionsOf } from '../src/config/options.js'
import type { HttpLimits } from '../src/http/http-limits.js'
import { parseProxies } from '../src/network/trusted-proxies.js'

const LOOPBACK = ['127.0.0.0/8', '::1/128']

export interface AppOptions
  extends Pick<
    SluiceOptions,
    'countClients' | 'collectMetrics' | 'collectRecentMetrics' | 'collectClients' | 'internals'
  > {
  readonly config: Config
  /** URL of a database that is migrated. */
  readonly databaseUrl: string
  /** Verifies tokens if the configuration names no key, as in a development installation. */
  readonly developmentSecret?: string | undefined
  readonly logger: FastifyServerOptions['logger']
  /** Timeouts of the server, in ms; default HTTP_LIMITS. Tests shorten them. */
  readonly httpLimits?: Partial<HttpLimits> | undefined
}

/** The app, ready to listen. Closing it ends its streams first, then its resources. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const {
    config,
    databaseUrl,
    developmentSecret,
    logger,
    httpLimits,
    countClients,
    collectMetrics,
    collectRecentMetrics,
    collectClients,
    internals,
  } = options
  const app = Fastify({
    logger: logger ?? false,
    logController: new LogController({ disableRequestLogging: config.ACCESS_LOG === 'off' }),
    ...serverOptions({
      ownsServer: true,
      trustedProxies: parseProxies(config.TRUSTED_PROXIES),
      drainMs: config.DRAIN_MS,
      httpLimits,
    }),
  })
  // While developing, the receiver of a webhook is on this machine, and has no certificate.
  const isOpen = config.NODE_ENV !== 'production' && config.WEBHOOK_ALLOWED_NETWORKS === ''
  await app.register(sluice, {
    ...optionsOf(config),
    databaseUrl,
    ...(developmentSecret !== undefined && { jwtSecret: developmentSecret }),
    ...(isOpen && { webhookAllowedNetworks: LOOPBACK }),
    migrate: false,
    ownsServer: true,
    processes: config.WORKERS === 'auto' ? availableParallelism() : config.WORKERS,
    ...(countClients && { countClients }),
    ...(collectMetrics && { collectMetrics }),
    ...(collectRecentMetrics && { collectRecentMetrics }),
    ...(collectClients && { collectClients }),
    internals: { answerTimeoutMs: httpLimits?.answerTimeout, ...internals },
  })
  return app
}
