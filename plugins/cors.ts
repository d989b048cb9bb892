/** The browser origins that may call: exact ones, with credentials. Preflights are answered before authentication. */
import cors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { parseOrigins } from '../src/config/origins.js'

export interface CorsOptions {
  /** Exact origins, separated by commas; empty: only the gateway's own origin. */
  readonly origins: string
}

const PREFLIGHT_SECONDS = 600
/** The request decoration of @fastify/cors. */
const FLAG = 'corsPreflightEnabled'

export default fp<CorsOptions>(
  async (app, { origins }) => {
    const listed = parseOrigins(origins)
    const options: FastifyCorsOptions = {
      // A list, even of one: only then does every response carry `Vary: Origin`, which keeps caches from confusing origins.
      origin: listed,
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
    }
    await app.register(app.hasRequestDecorator(FLAG) ? inherited(cors) : cors, {
      // Cookies only for pages of a listed origin.
      delegator: ({ headers }, done) =>
        done(null, { ...options, credentials: listed.includes(headers.origin ?? '') }),
    })
  },
  { name: 'cors' },
)

/** For an application that uses @fastify/cors too: its requests are already decorated, and Fastify refuses a second time. */
function inherited(plugin: typeof cors) {
  return fp<FastifyCorsOptions>((app, options, done) => {
    const decorated: FastifyInstance = Object.create(app, { decorateRequest: { value: () => app } })
    plugin(decorated, options, done)
  })
}
