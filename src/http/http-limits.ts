/**
 * The limits of a request before any route handles it: time and size. Node has defaults for most of them; they are set here, so
 * that no version of Node changes them.
 *
 * None of them ends a stream, which is a response: its request has arrived long ago. The sink ends the stream of a client that
 * does not read, and heartbeats keep streams alive through proxies.
 */
import { Problem } from '../problems/problem.js'
import { STALLED_MS } from '../sse/sink.js'

export interface HttpLimits {
  /** Ms within which the head of a request must arrive, from its first byte or, on a new connection, from the connect. */
  readonly headersTimeout: number
  /** Ms within which the whole request must arrive. */
  readonly requestTimeout: number
  /** Ms between two checks of these limits, which may be exceeded by as much. */
  readonly connectionsCheckingInterval: number
  /** Ms after which a connection without a request is closed. */
  readonly keepAliveTimeout: number
  /** Ms without progress after which a response that does not fit into the socket's buffer is aborted. */
  readonly answerTimeout: number
}

export const HTTP_LIMITS: HttpLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  // Longer than nginx keeps its side open (60 s), or nginx would sometimes send into a connection that is closing.
  keepAliveTimeout: 72_000,
  answerTimeout: STALLED_MS,
}

/**
 * Connections that may wait for accept, up to the limit of the system (Linux: net.core.somaxconn, 4,096). With Node's default
 * of 511, the kernel ignores most of thousands of clients that reconnect after a restart, and they retry after 1, 3 and 7 s.
 */
export const BACKLOG = 65_535

/** Bytes of request line and headers. URLs with tokens fit, and so do the headers that proxies add. */
const MAX_HEAD_BYTES = 16 * 1024
/** Bytes of a body: room for one event of the largest size and its envelope, or for a batch of smaller ones. */
const MAX_BODY_BYTES = 1024 * 1024
/** Longer than any name may be, so that the schema reports the fault, not the router. */
const MAX_PARAM_LENGTH = 1_024
/** Browsers send about 20, proxies add 10. Far below 2,000, beyond which Node silently drops headers. */
const MAX_HEADERS = 100
/** No route has as many. Each costs time to parse and check, and 16 KiB hold 8,000. */
const MAX_PARAMETERS = 100

/** The limits as options of Fastify and its server. */
export function httpServerOptions({
  keepAliveTimeout,
  requestTimeout,
  answerTimeout: _,
  ...limits
}: HttpLimits) {
  return {
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    keepAliveTimeout,
    requestTimeout,
    // Off: it counts silence, and a stream is silent between heartbeats. The limits above find idle connections.
    connectionTimeout: 0,
    // Off: a connection holds nothing that would have to be freed from time to time.
    maxRequestsPerSocket: 0,
    http: { ...limits, maxHeaderSize: MAX_HEAD_BYTES },
  }
}

/** @throws {Problem} 431 for too many headers, 400 for too many query parameters. */
export function requireFewParts(url: string, rawHeaders: readonly string[]): void {
  if (rawHeaders.length > MAX_HEADERS * 2) {
    throw new Problem(431, 'head-too-large', `The request has more than ${MAX_HEADERS} headers. Send fewer.`)
  }
  if (url.length > MAX_PARAMETERS && url.split('&', MAX_PARAMETERS + 1).length > MAX_PARAMETERS) {
    throw new Problem(
      400,
      'too-many-parameters',
      `The query has more than ${MAX_PARAMETERS} parameters. Send fewer.`,
    )
  }
}
