/** Requests to the gateway that have an answer: with credentials, retried where a repetition is safe. */
import { backOff } from './back-off.js'
import type { CredentialSource } from './credentials.js'
import { GaveUpError, ProtocolError, SluiceError, UnavailableError } from './errors.js'
import { errorOf } from './response-error.js'

/** No server delays a request for longer. */
const LONGEST_MS = 300_000

export interface RequestOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  /** Members that are null or undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | null | undefined>> | undefined
  readonly signal?: AbortSignal | undefined
  /** The server does the same as for one request if it gets several. Default: whether the method is GET. */
  readonly isRepeatable?: boolean
}

export interface Answer<T> {
  readonly body: T
  readonly headers: Headers
  readonly status: number
}

export interface GatewayOptions {
  /** Without a slash at the end. */
  readonly url: string
  readonly source: CredentialSource
  readonly fetch: typeof fetch | undefined
  /** Whether requests to another origin carry cookies. */
  readonly withCredentials: boolean
  /** How often a repeatable request is sent before it fails with a GaveUpError. */
  readonly attempts: number
  readonly retry: number
  readonly max: number
  /** How long the gateway may take to confirm a renewal, in milliseconds. */
  readonly confirm: number
  /** How long one attempt may take, in milliseconds. */
  readonly timeout: number
}

/** The gateway as one client sees it. */
export class Gateway {
  constructor(readonly options: GatewayOptions) {}

  get source(): CredentialSource {
    return this.options.source
  }

  /** The URL of a path below the gateway's, with a query of the given members. */
  urlOf(path: string, query: NonNullable<RequestOptions['query']> = {}): string {
    const given = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value != null) given.set(name, String(value))
    const text = given.toString()
    return this.options.url + path + (text && `?${text}`)
  }

  /**
   * @returns the answer, its body parsed from JSON (undefined if there is none).
   * @throws RefusedError; GaveUpError after the last attempt; what the signal was aborted with.
   */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const { isRepeatable = method === 'GET', signal } = options
    const { attempts, retry, max } = this.options
    let hasRefreshed = false
    for (let failures = 1; ; failures++) {
      try {
        return await this.#send<T>(method, path, options)
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof SluiceError && error.status === 401 && this.source.canRefresh && !hasRefreshed) {
          hasRefreshed = true
          await this.source.refresh()
          continue
        }
        if (error instanceof SluiceError && !(error instanceof UnavailableError)) throw error
        if (!isRepeatable) throw error
        if (failures >= attempts) {
          throw new GaveUpError('gave-up', `${method} ${path} has failed ${failures} times.`, {
            cause: error,
          })
        }
        const asked = error instanceof UnavailableError ? (error.retryAfterMs ?? 0) : 0
        await pause(Math.max(backOff(failures, retry, max), Math.min(asked, LONGEST_MS)), signal)
      }
    }
  }

  async #send<T>(
    method: string,
    path: string,
    { body, headers, query, signal }: RequestOptions,
  ): Promise<Answer<T>> {
    const { fetch = globalThis.fetch, timeout, withCredentials } = this.options
    const limit = AbortSignal.timeout(timeout)
    const sent: Record<string, string> = { Accept: 'application/json', ...(await this.authorization()) }
    if (body !== undefined) sent['Content-Type'] = 'application/json'
    for (const [name, value] of Object.entries(headers ?? {})) if (value !== undefined) sent[name] = value
    const response = await fetch(this.urlOf(path, query), {
      method,
      headers: sent,
      ...(withCredentials && { credentials: 'include' }),
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
    if (!response.ok) throw await errorOf(response)
    const text = await response.text()
    return { body: parse(text), headers: response.headers, status: response.status }
  }

  /** The header with the current credentials; none for a ticket, which opens streams only. */
  async authorization(): Promise<Readonly<Record<string, string>>> {
    await this.source.current()
    const { bearer } = this.source
    return bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }
  }
}

// The gateway holds its answers to their schemas, so the caller names the type.
function parse<T>(text: string): T {
  try {
    return JSON.parse(text || 'null')
  } catch (cause) {
    throw new ProtocolError('invalid-json', 'The server answered with text that is no JSON. Check the URL.', {
      cause,
    })
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
    function done() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
  })
  signal?.throwIfAborted()
}
