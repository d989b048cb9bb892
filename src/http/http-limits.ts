/**
 * How long a client may take, and how much it may send, before any route has to do with it. Node has limits of its own for
 * most of this; they are said here so that none of them is whatever the next version takes for sensible.
 *
 * None of them ends a stream: a stream is an answer, the request before it has arrived long ago. What ends one whose
 * client does not read is its sink, and what keeps one alive through proxies is its heartbeats.
 */
import { Problem } from '../problems/problem.js'
import { STALLED_MS } from '../sse/sink.js'

export interface HttpLimits {
  /** The head of a request must have arrived within this time, from the first byte or, on a new connection, from its start. */
  readonly headersTimeout: number
  /** The whole request must have arrived within this time. */
  readonly requestTimeout: number
  /** How often that is looked at: by so much they may be late. */
  readonly connectionsCheckingInterval: number
  /** A connection without a request is closed after this time. */
  readonly keepAliveTimeout: number
  /** An answer that does not fit into the socket's buffer, and of which no byte has gone for this time, is given up. */
  readonly answerTimeout: number
}

export const HTTP_LIMITS: HttpLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  // Longer than nginx keeps its side (60 s), or it would now and then send into a connection that is closing.
  keepAliveTimeout: 72_000,
  answerTimeout: STALLED_MS,
}

/**
 * Connections that wait until they are taken up, as many as the system allows (Linux: net.core.somaxconn, 4,096). Node asks
 * for 511: of thousands that come back at once after a restart the kernel then ignores most, and they try again after
 * 1, 3 and 7 s.
 */
export const BACKLOG = 65_535

/** Request line and headers together, in bytes; URLs with tokens fit. What proxies add must fit too. */
const MAX_HEAD_BYTES = 16 * 1024
/** One event of the largest size, with room for what is around it, or a batch of smaller ones. */
const MAX_BODY_BYTES = 1024 * 1024
/** Longer than any name may be, so that a schema and not the router says what is wrong with one. */
const MAX_PARAM_LENGTH = 1_024
/** Browsers send about 20, proxies add 10. Far below 2,000, beyond which Node would drop headers without a word. */
const MAX_HEADERS = 100
/** No route takes as many. Each costs time to parse and to check, and 16 KiB hold 8,000. */
const MAX_PARAMETERS = 100

/** For the server and its framework. */
export function serverOptions({ keepAliveTimeout, requestTimeout, answerTimeout: _, ...limits }: HttpLimits) {
  return {
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    keepAliveTimeout,
    requestTimeout,
    // Of silence in either direction: a stream between two heartbeats is silent. The limits above find idle connections.
    connectionTimeout: 0,
    // Nothing is held per connection that would have to go now and then.
    maxRequestsPerSocket: 0,
    http: { ...limits, maxHeaderSize: MAX_HEAD_BYTES },
  }
}

/** @throws {Problem} 431 or 400 where a request has more parts than any of ours. */
export function requireFewParts(url: string, rawHeaders: readonly string[]): void {
  if (rawHeaders.length > MAX_HEADERS * 2) {
    throw new Problem(431, 'head-too-large', `There are more than ${MAX_HEADERS} headers. Send fewer.`)
  }
  if (url.length > MAX_PARAMETERS && url.split('&', MAX_PARAMETERS + 1).length > MAX_PARAMETERS) {
    throw new Problem(400, 'too-many-parameters', `There are more than ${MAX_PARAMETERS} parameters.`)
  }
}
