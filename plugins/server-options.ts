/**
 * Options that only the application that creates the server can set: `Fastify({ ...serverOptions(), …yours })`. None is
 * required; docs/embedding.md says what each one changes.
 */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type {
  ConnectionError,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
} from 'fastify'
import { answerClientError } from '../src/http/client-error.js'
import { HTTP_LIMITS, type HttpLimits, httpServerOptions } from '../src/http/http-limits.js'
import { answerProblem } from './problem-reply.js'
import { genReqId } from './request-ids.js'

export interface ServerLimits {
  /** Addresses, CIDR ranges or names (`loopback`) of proxies whose `X-Forwarded-For` is trusted. Default none. */
  readonly trustedProxies?: readonly string[] | undefined
  /** The option `drainMs` of the plugin, or the longest of several. Default 10000. */
  readonly drainMs?: number | undefined
  /** Whether the server serves only Sluice. Requests that never reach a route then get Sluice's errors. Default false. */
  readonly ownsServer?: boolean | undefined
  /** Timeouts of the server, in ms. Tests shorten them. */
  readonly httpLimits?: Partial<HttpLimits> | undefined
}

const DRAIN_MS = 10_000
const PLUGIN_TIMEOUT_MS = 10_000

export function serverOptions({ trustedProxies = [], drainMs = DRAIN_MS, ...more }: ServerLimits = {}) {
  const { httpLimits, ownsServer = false } = more
  return {
    ...httpServerOptions({ ...HTTP_LIMITS, ...httpLimits }),
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    // Fastify's 10 s would cut off the draining of streams, and the application would fail to close.
    pluginTimeout: drainMs + PLUGIN_TIMEOUT_MS,
    // While streams drain, new ones are refused inside the stream: Fastify's own 503 would stop an EventSource for good.
    return503OnClosing: false,
    ...(ownsServer && OWN_SERVER),
  } satisfies FastifyServerOptions
}

const OWN_SERVER = {
  genReqId,
  clientErrorHandler(this: FastifyInstance, error: ConnectionError, socket: Socket) {
    const reqId = randomUUID()
    this.log.debug({ reqId, err: error }, 'no request')
    answerClientError(error, socket, reqId)
  },
  // Errors that Fastify finds before it looks for a route: a path that cannot be decoded, or a part of it that
  // is too long.
  frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    void answerProblem(error, request, reply),
} satisfies FastifyServerOptions
