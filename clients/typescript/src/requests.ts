/** Requests to the gateway that have an answer: with credentials, retried where a repetition is safe. */
import { delayAfter, pause } from './back-off.js'
import type { ClientOptions } from './client-options.js'
import { type CredentialSource, credentialSource } from './credentials.js'
import { gaveUp, isFinal, ProtocolError, SluiceError } from './errors.js'
import { errorOf } from './response-error.js'

export interface RequestOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Members that are null or undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | null | undefined>> | undefined
  readonly signal?: AbortSignal | undefined
  /** The server does the same as for one request if it gets several. Default: whether the method is GET. */
  readonly isRepeatable?: boolean
}

const JSON_TYPE = { 'Content-Type': 'application/json' }

export interface Answer<T> {
  readonly body: T
  readonly headers: Headers
}

/** The gateway as one client sees it. */
export class Gateway {
  readonly source: CredentialSource
  readonly #url: string

  constructor(readonly options: ClientOptions) {
    this.#url = String(options.url).replace(/\/$/, '')
    this.source = credentialSource(options.credentials, options.renewBefore)
  }

  /** The URL of a path below the gateway's, with a query of the given members. */
  urlOf(path: string, query: NonNullable<RequestOptions['query']> = {}): string {
    const given = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value != null) given.set(name, String(value))
    return this.#url + path + (given.size > 0 ? `?${given}` : '')
  }

  /**
   * @returns the answer, its body parsed from JSON (null if there is none).
   * @throws RefusedError or ProtocolError; what the signal was aborted with; GaveUpError after the last attempt, which is the first
   * one if the request is not repeatable: its `cause` is an UnavailableError, or the error of `fetch`.
   */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const { isRepeatable = method === 'GET', signal } = options
    const { attempts = 6 } = this.options
    let hasExpired = false
    for (let failures = 1; ; failures++) {
      let sent: Record<string, string> = {}
      try {
        sent = await this.authorization()
        return await this.#send<T>(method, path, options, sent)
      } catch (error) {
        signal?.throwIfAborted()
        if (
          error instanceof SluiceError &&
          error.status === 401 &&
          !hasExpired &&
          this.source.expire(sent.Authorization)
        ) {
          hasExpired = true
          continue
        }
        if (isFinal(error)) throw error
        if (!isRepeatable || failures >= attempts) throw gaveUp(failures, error)
        await pause(delayAfter(error, failures, this.options), signal)
        signal?.throwIfAborted()
      }
    }
  }

  async #send<T>(
    method: string,
    path: string,
    options: RequestOptions,
    authorization: Record<string, string>,
  ): Promise<Answer<T>> {
    const { body, headers, query, signal } = options
    const { fetch = globalThis.fetch, timeout = 30_000, withCredentials } = this.options
    const limit = AbortSignal.timeout(timeout)
    const response = await fetch(this.urlOf(path, query), {
      method,
      headers: { ...authorization, ...headers, ...(body !== undefined && JSON_TYPE) },
      body: JSON.stringify(body) ?? null,
      // A redirect would repeat a POST as a GET, whose success means nothing. The gateway redirects no request.
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      ...(withCredentials && { credentials: 'include' }),
    })
    if (!response.ok) throw await errorOf(response)
    return { body: parse((await response.text()) || 'null'), headers: response.headers }
  }

  /** The headers of a request with the current credentials. */
  async authorization(): Promise<Record<string, string>> {
    await this.source.current()
    const authorization = this.source.authorization()
    return authorization ? { Authorization: authorization } : {}
  }
}

/** @returns the value of a JSON text, of the type that the caller names: the protocol says what it is. */
export function parse<T>(text: string): T {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError('invalid-json', 'The server did not send JSON: check the URL.', {
      cause,
    })
  }
}
