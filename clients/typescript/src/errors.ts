/** The errors of this client. Decide by `code`, never by the text. */

/** The members that all errors share; unknown ones are undefined. */
export interface ErrorFacts {
  /** The status of the response. */
  readonly status?: number | undefined
  /** What happened and what to do, for people. */
  readonly detail?: string | undefined
  /** Identifies the request in the gateway's log. */
  readonly requestId?: string | undefined
  /** The whole problem document (RFC 9457), with further members such as `etag` or `head`. */
  readonly problem?: Readonly<Record<string, unknown>> | undefined
  /** How long the server asks to wait (`Retry-After`), in milliseconds. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** Every error that this client throws on purpose. */
export class SluiceError extends Error implements ErrorFacts {
  override name = 'SluiceError'
  declare readonly status: number | undefined
  declare readonly detail: string | undefined
  declare readonly requestId: string | undefined
  declare readonly problem: Readonly<Record<string, unknown>> | undefined
  declare readonly retryAfterMs: number | undefined

  /** @param code that of the problem document, `http-<status>` if there is none, or a code of this client. */
  constructor(
    readonly code: string,
    message: string,
    facts: ErrorFacts = {},
  ) {
    super(message)
    Object.assign(this, facts)
  }
}

/** The server refused the request, or has ended the credentials; to repeat it changes nothing until the cause is fixed. */
export class RefusedError extends SluiceError {
  override name = 'RefusedError'
}

/** The server cannot answer now (408, 425, 429, 5xx). The client retries; `GaveUpError.cause` may be one. */
export class UnavailableError extends SluiceError {
  override name = 'UnavailableError'
}

/** The client has tried as often as its options allow, or once what is not safe to repeat; `cause` is the last failure. */
export class GaveUpError extends SluiceError {
  override name = 'GaveUpError'
}

/** The server sent what this client cannot read: another content type, an event that is too large, invalid JSON. */
export class ProtocolError extends SluiceError {
  override name = 'ProtocolError'
}

/** Whether repeating the request changes nothing. */
export function isFinal(failure: unknown): failure is SluiceError {
  return failure instanceof SluiceError && !(failure instanceof UnavailableError)
}

export function gaveUp(failures: number, cause: unknown): GaveUpError {
  return new GaveUpError('gave-up', `Gave up after attempt ${failures}.`, { cause })
}
