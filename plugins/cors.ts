/**
 * The browser origins that may call: exact ones, with credentials. Preflights are answered before authentication.
 *
 * Only a browser sends `Origin`. A request without it needs no permission, so it gets only `Vary: Origin`, which keeps caches
 * from confusing origins: @fastify/cors sees requests with an origin, and preflights.
 */
import cors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { parseOrigins } from '../src/config/origins.js'

export interface CorsOptions {
  /** Exact origins, separated by commas; empty: only the gateway's own origin. */
  readonly origins: string
}

const PREFLIGHT_SECONDS = 600
const PRODUCER = ['Producer-Id', 'Producer-Epoch', 'Producer-Seq']
/** The request headers of Durable Streams. */
const DURABLE_REQUESTS = [
  ...PRODUCER,
  'Stream-Closed',
  'Stream-Expires-At',
  'Stream-Fork-Offset',
  'Stream-Fork-Sub-Offset',
  'Stream-Forked-From',
  'Stream-Seq',
  'Stream-TTL',
]
const DURABLE_RESPONSES = [
  'Producer-Epoch',
  'Producer-Expected-Seq',
  'Producer-Received-Seq',
  'Producer-Seq',
  'Stream-Closed',
  'Stream-Cursor',
  'Stream-Expires-At',
  'Stream-Next-Offset',
  'Stream-SSE-Data-Encoding',
  'Stream-TTL',
  'Stream-Up-To-Date',
]
/** The request decoration of @fastify/cors. */
const FLAG = 'corsPreflightEnabled'

export default fp<CorsOptions>(
  async (app, { origins }) => {
    const listed = parseOrigins(origins)
    const options: FastifyCorsOptions = {
      // A list, even of one: only then does every response carry `Vary: Origin`.
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
        ...DURABLE_REQUESTS,
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
        'Sluice-Consumer-Epoch',
        ...DURABLE_RESPONSES,
        'X-Request-Id',
        'X-Sluice-Head',
        'X-Sluice-Ignored',
        'X-Sluice-Next',
      ],
      maxAge: PREFLIGHT_SECONDS,
      strictPreflight: false,
    }
    await app.register(forOrigins(cors), {
      // Cookies only for pages of a listed origin.
      delegator: ({ headers }, done) =>
        done(null, { ...options, credentials: listed.includes(headers.origin ?? '') }),
    })
  },
  { name: 'cors' },
)

/** The plugin, whose hook runs only where an origin can matter. */
function forOrigins(plugin: typeof cors) {
  return fp<FastifyCorsOptions>((app, options, done) => {
    const addHook = (name: 'onRequest', hook: onRequestHookHandler) =>
      app.addHook(name, function (request, reply, next) {
        const { method, headers } = request.raw
        if (headers.origin !== undefined || method === 'OPTIONS' || reply.hasHeader('vary')) {
          return hook.call(this, request, reply, next)
        }
        reply.header('vary', 'Origin')
        next()
      })
    // An application that uses @fastify/cors too has already decorated requests, and Fastify refuses a second time.
    const decorateRequest = app.hasRequestDecorator(FLAG) ? { value: () => app } : undefined
    const guarded: FastifyInstance = Object.create(app, {
      addHook: { value: addHook },
      ...(decorateRequest && { decorateRequest }),
    })
    plugin(guarded, options, done)
  })
}
