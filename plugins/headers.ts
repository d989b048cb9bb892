/**
 * Headers of every response, including streams and refusals. The policies are those of an API: its responses are
 * data, so a browser that is tricked into showing one as a page runs nothing, loads nothing and frames nothing. Our
 * own pages (plugins/console.ts, plugins/docs.ts) set policies of their own. Policies that matter only for documents,
 * or for very old browsers, are left out.
 */
import fp from 'fastify-plugin'
import { requireFewParts } from '../src/http/http-limits.js'
import { requireTarget } from '../src/http/request-target.js'

const POLICIES: readonly (readonly [name: string, value: string])[] = [
  ['content-security-policy', "default-src 'none';frame-ancestors 'none'"],
  // Affects only pages that load without CORS, not pages that may call with CORS.
  ['cross-origin-resource-policy', 'same-origin'],
  // A page's URL may contain a token or a ticket, and a signed link is a secret.
  ['referrer-policy', 'no-referrer'],
  ['x-content-type-options', 'nosniff'],
]
/** A year. Only for this host: other hosts of the domain are not ours to restrict. */
const HSTS = 'max-age=31536000'

export default fp(
  async app => {
    app.addHook('onRequest', (request, reply, done) => {
      for (const [name, value] of POLICIES) reply.header(name, value)
      reply.header('x-request-id', request.id)
      const { url = '', rawHeaders } = request.raw
      requireFewParts(url, rawHeaders)
      requireTarget(url)
      // A trusted proxy that terminates TLS reports the protocol. Over plain http the header must not be sent (RFC 6797 §7.2).
      if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
      done()
    })

    // Responses that required credentials belong to one principal; a cache must not store them unless the route
    // allows it.
    app.addHook('onSend', (request, reply, _payload, done) => {
      if (request.routeOptions.config.access !== 'public' && !reply.hasHeader('cache-control')) {
        reply.header('cache-control', 'no-store')
      }
      done()
    })
  },
  { name: 'headers', dependencies: ['request-caller'] },
)
