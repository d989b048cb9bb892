/** The browser origins that may call: exact ones, with credentials. Preflights are answered before authentication. */
import cors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { parseOrigins } from '../src/config/origins.js'

export interface CorsOptions {
  /** Exact origins, separated by commas; empty: only the own origin. */
  readonly origins: string
}

const PREFLIGHT_SECONDS = 600
/** What @fastify/cors decorates requests with. */
const FLAG = 'corsPreflightEnabled'

export default fp<CorsOptions>(
  async (app, { origins }) => {
    await app.register(app.hasRequestDecorator(FLAG) ? inherited(cors) : cors, {
      // A list, even of one: only then does every answer carry `Vary: Origin`, so that no cache confuses origins.
      origin: parseOrigins(origins),
      credentials: true,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: [
        'Accept',
        'Authorization',
        'Content-Type',
        'Idempotency-Key',
        'If-Match',
        'If-None-Match',
        'Last-Event-ID',
        'X-API-Key',
        'X-Request-Id',
      ],
      exposedHeaders: [
        'ETag',
        'Idempotency-Replayed',
        'Last-Event-ID',
        'Location',
        'RateLimit-Limit',
        'RateLimit-Remaining',
        'RateLimit-Reset',
        'Retry-After',
        'X-Request-Id',
        'X-Sluice-Head',
        'X-Sluice-Ignored',
      ],
      maxAge: PREFLIGHT_SECONDS,
      strictPreflight: false,
    })
  },
  { name: 'cors' },
)

/** @fastify/cors in an application that uses it too: requests have its decoration already, and Fastify allows only one. */
function inherited(plugin: typeof cors) {
  return fp<FastifyCorsOptions>((app, options, done) => {
    const decorated: FastifyInstance = Object.create(app, { decorateRequest: { value: () => app } })
    plugin(decorated, options, done)
  })
}
