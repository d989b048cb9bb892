/** The trace of each request, and the author of the changes that it makes. */
import fp from 'fastify-plugin'
import type { Principal } from '../src/auth/principal.js'
import { traceparentIn } from '../src/tracing/traceparent.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The place of the request in a trace (W3C Trace Context); undefined if the caller named none. */
    readonly traceparent: string | undefined
    /** The principal, as the author of changes that belong to the trace of the request. */
    readonly author: Principal & { readonly traceparent?: string }
  }
}

export default fp(
  async app => {
    app.decorateRequest('traceparent', {
      getter() {
        return traceparentIn(this.headers.traceparent)
      },
    })
    app.decorateRequest('author', {
      getter() {
        const { principal, traceparent } = this
        return traceparent === undefined ? principal : { ...principal, traceparent }
      },
    })
  },
  { name: 'tracing' },
)
