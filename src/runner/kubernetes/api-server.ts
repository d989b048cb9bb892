/**
 * The API server of Kubernetes: one request for each call, and the streams of logs and watches. The client library finds the
 * cluster and the credentials (kubeconfig, service account, plugins). It does not do the requests: it gives them no deadline, and
 * its log stream ends in the same way whether it is complete or was cut off.
 *
 * The caller decides about retries by the error, an ApiFault.
 */
import type { IncomingMessage, RequestOptions } from 'node:http'
import http from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { KubeConfig } from '@kubernetes/client-node'
import { signalOrDeadline } from '../../process/deadline.js'
import { untilAnswered } from '../retry.js'

/** Milliseconds for an answer, and for the headers of a stream. */
const PATIENCE_MS = 15_000
/** The longest `Retry-After` that is honoured. */
const LONGEST_RETRY_AFTER_MS = 60_000

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
type Query = Readonly<Record<string, string | undefined>>

export interface CallOptions {
  readonly query?: Query
  readonly body?: object
  readonly signal: AbortSignal
  /** Milliseconds for which `insist` repeats a request that gets a 403. Default: without end. */
  readonly forbiddenMs?: number
}

/** The API server refused a request, or did not answer it: then it may have been executed. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault'
  /**
   * @param status of the response; 0 if none arrived.
   * @param reason the reason in the response's Status, such as `AlreadyExists`.
   * @param retryAfterMs 0 if the response does not say.
   */
  constructor(
    readonly status: number,
    message: string,
    readonly reason = '',
    readonly retryAfterMs = 0,
  ) {
    super(message)
  }

  /**
   * Whether the same request may succeed later. A 401 passes when the token is renewed, a 403 when an API server that has
   * just started has read the roles, a 409 when others have finished their change (of a quota, for example).
   */
  get isPassing(): boolean {
    const { status } = this
    return (
      status === 0 ||
      status >= 500 ||
      [401, 403, 408, 410, 429].includes(status) ||
      this.reason === 'Conflict'
    )
  }
}

export class ApiServer {
  readonly #config: KubeConfig
  readonly #log: (line: string) => void
  #away = false

  constructor(config: KubeConfig, log: (line: string) => void) {
    this.#config = config
    this.#log = log
  }

  get url(): string {
    return this.#config.getCurrentCluster()?.server ?? ''
  }

  /** The object of the response. @throws {ApiFault} */
  async call<T = unknown>(method: Method, path: string, options: CallOptions): Promise<T> {
    const deadline = signalOrDeadline(options.signal, PATIENCE_MS)
    try {
      const response = await this.#send(method, path, { ...options, signal: deadline.signal })
      return JSON.parse(await text(response)) as T
    } catch (error) {
      throw error instanceof ApiFault ? error : this.#unreachable(error)
    } finally {
      deadline.release()
    }
  }

  /** As `call`, repeated until it succeeds or never can. @throws {ApiFault} or the reason of the signal. */
  async insist<T = unknown>(method: Method, path: string, options: CallOptions): Promise<T> {
    const { signal, forbiddenMs = Number.POSITIVE_INFINITY } = options
    const began = performance.now()
    const isFinal = (error: unknown) =>
      error instanceof ApiFault && error.status === 403 && performance.now() - began > forbiddenMs
    return await untilAnswered(() => this.call<T>(method, path, options), {
      signal,
      isPassing: error => isPassing(error) && !isFinal(error),
      retryAfterMs: error => (error instanceof ApiFault ? error.retryAfterMs : 0),
      onRetry: error => this.complain(error),
    }).finally(() => {
      this.#away = false
    })
  }

  /** The body of the response, at the reader's speed. @throws {ApiFault} also when the connection breaks. */
  async *read(path: string, { query, signal }: CallOptions): AsyncGenerator<Buffer, void> {
    const reading = new AbortController()
    const stop = () => reading.abort(signal.reason)
    const late = setTimeout(stop, PATIENCE_MS)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      const response = await this.#send('GET', path, { query: query ?? {}, signal: reading.signal })
      clearTimeout(late)
      yield* response
    } catch (error) {
      throw error instanceof ApiFault ? error : this.#unreachable(error)
    } finally {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
    }
  }

  /** Reports a request that will be repeated: once for each outage. */
  complain(error: unknown): void {
    if (!this.#away) this.#log(`${messageOf(error)} Trying again.`)
    this.#away = true
  }

  async #send(
    method: Method,
    path: string,
    { query = {}, body, signal }: CallOptions,
  ): Promise<IncomingMessage> {
    const url = new URL(this.url.replace(/\/$/, '') + path)
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, value)
    const options: https.RequestOptions = { method }
    await this.#config.applyToHTTPSOptions(options)
    const content = body && JSON.stringify(body)
    const headers = {
      ...options.headers,
      accept: 'application/json',
      // Also for a DELETE, which Node would otherwise send without a length.
      ...(content && {
        'content-type': 'application/json',
        'content-length': `${Buffer.byteLength(content)}`,
      }),
    }
    const response = await responseOf(url, { ...options, headers, signal }, content)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    const { message, reason } = statusOf(await text(response))
    const why = `Kubernetes refuses (${status}): ${message}${message.endsWith('.') ? '' : '.'}`
    throw new ApiFault(status, why, reason, afterMs(response.headers['retry-after']))
  }

  #unreachable(error: unknown): ApiFault {
    const reason =
      error instanceof Error && 'code' in error && error.code !== 'ABORT_ERR' ? error.code : undefined
    return new ApiFault(
      0,
      `The API server of Kubernetes at ${this.url} does not answer: ${reason ?? messageOf(error)}.`,
    )
  }
}

export function isPassing(error: unknown): boolean {
  return error instanceof ApiFault && error.isPassing
}

export function isGone(error: unknown): boolean {
  return error instanceof ApiFault && error.status === 404
}

/** Whether our own object is there: names are random, so an earlier request with this name was executed although its answer was lost. */
export function isThere(error: unknown): boolean {
  return error instanceof ApiFault && error.reason === 'AlreadyExists'
}

function responseOf(
  url: URL,
  options: RequestOptions,
  content: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === 'http:' ? http : https
    request(url, options, resolve).on('error', reject).end(content)
  })
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
function statusOf(body: string): { message: string; reason: string } {
  try {
    const { message = '', reason = '' } = Object(JSON.parse(body))
    return { message: `${message}`, reason: `${reason}` }
  } catch {
    // A proxy's own page.
    return { message: body.slice(0, 200), reason: '' }
  }
}

function afterMs(header = ''): number {
  return /^\d{1,6}$/.test(header) ? Math.min(Number(header) * 1_000, LONGEST_RETRY_AFTER_MS) : 0
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
