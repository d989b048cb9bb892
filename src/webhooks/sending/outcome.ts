/** The outcome of one request to a receiver. Every outcome is a value: `send` never rejects. */

/**
 * Why a request brought no answer. `refused-address`: the URL, or an address of its host, is not permitted, and no connection was
 * made. `bad-headers`: a header of the endpoint cannot be sent. `dns`: the host has no address, or its name servers do not answer. `connect`: no
 * connection. `tls`: no secure connection, such as a certificate that does not fit. `timeout`: headers and body did not
 * arrive in time. `reset`: the connection ended before the answer did. `bad-answer`: the bytes are no answer of HTTP/1.1, or
 * its headers are too long.
 */
export type FailureKind =
  | 'refused-address'
  | 'bad-headers'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'reset'
  | 'bad-answer'

export interface Failure {
  readonly kind: 'failed'
  readonly error: FailureKind
  /** A sentence for the owner of the endpoint, without secrets. */
  readonly detail: string
  readonly milliseconds: number
}

/** The receiver has answered, with whatever status; a redirect (3xx) is an answer like any other, and is not followed. */
export interface Answer {
  readonly kind: 'answered'
  readonly status: number
  readonly milliseconds: number
  /** The first 1 KiB of the answer as text; bytes that are no text are U+FFFD. */
  readonly answer: string
  /** The receiver's `Retry-After` (RFC 9110 §10.2.3), in milliseconds from now; 0 or more. Not limited. */
  readonly retryAfterMs?: number
}

/** The circuit breaker of the host is open. Nothing was sent, and this is not an attempt. */
export interface HeldBack {
  readonly kind: 'held-back'
  /** Ask again at this time, in milliseconds since 1970; it is in the future. */
  readonly untilMs: number
  /** The last failure of the host; undefined while its first requests are still under way. */
  readonly cause?: string
}

/** The caller's signal aborted the request, which the receiver may have got. This is not an attempt. */
export interface Aborted {
  readonly kind: 'aborted'
}

export type Outcome = Answer | Failure | HeldBack | Aborted
