/** Which browsers' pages may call: exact origins, with credentials. Preflights are answered before anything asks for a token. */
import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import { parseOrigins } from '../src/config/origins.js'

export interface CorsOptions {
  /** Exact origins, separated by commas; empty lets no foreign page call. */
  readonly origins: string
}

const PREFLIGHT_SECONDS = 600

export default fp<CorsOptions>(
  async (app, { origins }) => {
    await app.register(cors, {
      // A list, even of one: only then is `Vary: Origin` on every answer, and no cache mixes origins up.
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
