/**
 * Headers that every answer carries, streams and refusals included. The policies are those of an API: what it answers is
 * data, so a browser that is led to show it as a page runs nothing, loads nothing and frames nothing. Pages of ours
 * (plugins/console.ts, plugins/openapi.ts) say what they need instead.
 */
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'
import { requireFewParts } from '../src/http/http-limits.js'
import { requireTarget } from '../src/http/request-target.js'

/** A year. For this host alone: what else there is in its domain is not ours to bind. */
const HSTS = 'max-age=31536000'

export default fp(
  async app => {
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      },
      // A page's address may hold a token or a ticket, and a signed link is a secret.
      referrerPolicy: { policy: 'no-referrer' },
      // Of pages that load without asking. Those that may call ask by CORS, which this does not touch.
      crossOriginResourcePolicy: { policy: 'same-origin' },
      // About documents, which data are not, or about browsers of long ago.
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xFrameOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      // Below: whoever answers over http must not send it (RFC 6797 §7.2).
      strictTransportSecurity: false,
    })

    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id)
      const { url = '', rawHeaders } = request.raw
      requireFewParts(url, rawHeaders)
      requireTarget(url)
      // As the proxy says that does TLS, if it is a trusted one.
      if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
    })

    // Answers that needed a token are one principal's; a cache must not keep them unless the route says how.
    app.addHook('onSend', async (request, reply) => {
      if (request.routeOptions.config.access !== 'public' && !reply.hasHeader('cache-control')) {
        reply.header('cache-control', 'no-store')
      }
    })
  },
  { name: 'headers', dependencies: ['request-caller'] },
)
