/**
 * Headers of every response, including streams and refusals. The policies are those of an API: its responses are
 * data, so a browser that is tricked into showing one as a page runs nothing, loads nothing and frames nothing. Our
 * own pages (plugins/console.ts, plugins/docs.ts) set policies of their own.
 */
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'
import { requireFewParts } from '../src/http/http-limits.js'
import { requireTarget } from '../src/http/request-target.js'

/** A year. Only for this host: other hosts of the domain are not ours to restrict. */
const HSTS = 'max-age=31536000'

export default fp(
  async app => {
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      },
      // A page's URL may contain a token or a ticket, and a signed link is a secret.
      referrerPolicy: { policy: 'no-referrer' },
      // Affects only pages that load without CORS, not pages that may call with CORS.
      crossOriginResourcePolicy: { policy: 'same-origin' },
      // These policies matter only for documents, not for data, or for very old browsers.
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xFrameOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      // Set below: a response over plain http must not carry it (RFC 6797 §7.2).
      strictTransportSecurity: false,
    })

    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id)
      const { url = '', rawHeaders } = request.raw
      requireFewParts(url, rawHeaders)
      requireTarget(url)
      // A trusted proxy that terminates TLS reports the protocol.
      if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
    })

    // Responses that required credentials belong to one principal; a cache must not store them unless the route
    // allows it.
    app.addHook('onSend', async (request, reply) => {
      if (request.routeOptions.config.access !== 'public' && !reply.hasHeader('cache-control')) {
        reply.header('cache-control', 'no-store')
      }
    })
  },
  { name: 'headers', dependencies: ['request-caller'] },
)
