/**
 * The trace of each request, and the author of the changes that it makes. With a provider of spans, which the process or the embedding
 * program has registered before this plugin, each request that may change something is a span.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Principal } from '../src/auth/principal.js'
import { RequestLog } from '../src/logging/request-log.js'
import { type RequestSpan, registeredTracing, type Tracing } from '../src/tracing/open-telemetry.js'
import { traceparentIn } from '../src/tracing/traceparent.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined: the process takes part in no traces. */
    readonly tracing: Tracing | undefined
  }
  interface FastifyRequest {
    span: RequestSpan | undefined
    /** The trace to which changes by the request belong (W3C Trace Context): the caller's, or else that of its span. */
    readonly traceparent: string | undefined
    /** The principal, as the author of changes that belong to the trace of the request. */
    readonly author: Principal & { readonly traceparent?: string }
  }
}

/** Requests that change nothing, and streams, which stay open for hours, are no spans. */
const WITHOUT_SPAN: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The status that nginx logs for a client that left. No client sees it. */
const CLIENT_LEFT = 499

export default fp(
  async app => {
    const tracing = registeredTracing()
    app.decorate('tracing', tracing)
    app.decorateRequest('span', undefined)
    app.decorateRequest('traceparent', {
      getter() {
        return traceparentIn(this.headers.traceparent) ?? this.span?.traceparent
      },
    })
    app.decorateRequest('author', {
      getter() {
        const { principal, traceparent } = this
        return traceparent === undefined ? principal : { ...principal, traceparent }
      },
    })
    app.addHook('onRequest', (request, reply, done) => {
      if (tracing && !WITHOUT_SPAN.has(request.method)) {
        request.span = begin(tracing, request)
        endWith(reply.raw, request.span)
      }
      if (request.span || request.headers.traceparent !== undefined) nameTrace(request)
      done()
    })
  },
  { name: 'tracing' },
)

function begin(tracing: Tracing, { method, routeOptions: { url }, headers }: FastifyRequest): RequestSpan {
  const { traceparent, tracestate } = headers
  return tracing.request(
    url === undefined ? method : `${method} ${url}`,
    { traceparent, tracestate },
    {
      'http.request.method': method,
      ...(url !== undefined && { 'http.route': url }),
    },
  )
}

/** Fastify's hook `onResponse` is not called if the client leaves before the answer. */
function endWith(response: ServerResponse, span: RequestSpan): void {
  const left = () => span.end(CLIENT_LEFT)
  response.once('finish', () => {
    response.removeListener('close', left)
    span.end(response.statusCode)
  })
  response.once('close', left)
}

/** Log lines of the request name its span, or the caller's if it has none. */
function nameTrace(request: FastifyRequest): void {
  const { span, traceparent } = request
  const traceId = span?.traceId ?? traceparent?.slice(3, 35)
  if (traceId === undefined || !(request.log instanceof RequestLog)) return
  request.log.bind({ trace_id: traceId, span_id: span?.spanId ?? traceparent?.slice(36, 52) })
}
