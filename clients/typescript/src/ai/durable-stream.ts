/**
 * One durable stream of the gateway, in the Durable Streams protocol: its creation, appends and what it holds. Each request is repeated
 * until it has an answer, so each must be safe to repeat: a PUT is, and an append is by its producer headers.
 */
import { delayAfter, pause } from '../back-off.js'
import { gaveUp, isFinal, SluiceError } from '../errors.js'
import { type Gateway, parse } from '../requests.js'
import { errorOf } from '../response-error.js'

/** A gateway that restarts is back within seconds, and tokens wait meanwhile: shorter delays than those of other requests, and more. */
const RETRY_MS = 100
const MAX_DELAY_MS = 2_000
const ATTEMPTS = 60
const TIMEOUT_MS = 30_000
export const JSON_TYPE = 'application/json'

export interface StreamOptions {
  /** Default `application/json`: each item of the source is one message. Of another type, an item is a text or bytes. */
  readonly contentType?: string | undefined
  /** The stream is deleted when nobody has read or written it for this long. Default: never. */
  readonly ttlSeconds?: number | undefined
  /** The path of durable streams, as the gateway's `DURABLE_STREAMS_PREFIX` has it. Default `/v1/stream`. */
  readonly prefix?: string | undefined
}

export interface Exchange {
  readonly response: Response
  readonly text: string
  /** Whether an earlier attempt has had no answer: it may have been carried out. */
  readonly isRepeated: boolean
}

export interface Stored {
  /** The content of the stream: its messages, parsed, or the text of a stream that is not JSON. */
  readonly messages: readonly unknown[]
  /** The number of messages, or of bytes of a stream that is not JSON. */
  readonly count: number
  readonly isClosed: boolean
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer>
  readonly query?: Readonly<Record<string, string>>
  /** Statuses of answers that are no error. */
  readonly expected: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export class DurableStream {
  readonly contentType: string
  readonly isJson: boolean
  readonly #path: string

  /** @param name that of the stream in the gateway, such as `chat/7`. */
  constructor(
    readonly gateway: Gateway,
    readonly name: string,
    readonly options: StreamOptions = {},
  ) {
    const { contentType = JSON_TYPE, prefix = '/v1/stream' } = options
    this.contentType = contentType
    this.isJson = /^application\/json\s*(;|$)/i.test(contentType)
    this.#path = `${prefix}/${name.split('/').map(encodeURIComponent).join('/')}`
  }

  /** Creates it. @returns whether it may have been there before, and whether it is closed. */
  async create(signal?: AbortSignal): Promise<'created' | 'exists' | 'closed'> {
    const { ttlSeconds } = this.options
    const { response, text, isRepeated } = await this.#request('PUT', {
      headers: {
        'Content-Type': this.contentType,
        ...(ttlSeconds !== undefined && { 'Stream-TTL': String(ttlSeconds) }),
      },
      expected: [200, 201, 409],
      signal,
    })
    if (response.status === 409) {
      // The PUT of an open stream conflicts with a closed one, which is no error here.
      if (!(await this.#isClosed(signal))) throw await errorOf(new Response(text, response))
      return 'closed'
    }
    return response.status === 201 && !isRepeated ? 'created' : 'exists'
  }

  /** Appends a body with the headers of its producer; 403 and 409 are answers too. */
  async append(
    body: string | Uint8Array<ArrayBuffer> | undefined,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Exchange> {
    return await this.#request('POST', {
      headers: { ...(body !== undefined && { 'Content-Type': this.contentType }), ...headers },
      ...(body !== undefined && { body }),
      expected: [200, 204, 403, 409],
      signal,
    })
  }

  /** Reads the whole content of the stream. */
  async read(signal?: AbortSignal): Promise<Stored> {
    const messages: unknown[] = []
    let bytes = 0
    for (let offset = '-1'; ; ) {
      const { response, text } = await this.#request('GET', { query: { offset }, expected: [200], signal })
      if (this.isJson) messages.push(...parse<unknown[]>(text || '[]'))
      else if (text) messages.push(text)
      bytes += new TextEncoder().encode(text).length
      const isClosed = response.headers.get('stream-closed') === 'true'
      const next = response.headers.get('stream-next-offset') ?? offset
      if (isClosed || response.headers.has('stream-up-to-date') || next === offset)
        return { messages, count: this.isJson ? messages.length : bytes, isClosed }
      offset = next
    }
  }

  async #isClosed(signal: AbortSignal | undefined): Promise<boolean> {
    const { response } = await this.#request('HEAD', { expected: [200, 404], signal })
    return response.headers.get('stream-closed') === 'true'
  }

  /** @throws RefusedError, GaveUpError after the last attempt, or what the signal was aborted with. */
  async #request(method: string, { signal, ...sent }: Sent): Promise<Exchange> {
    const { attempts = ATTEMPTS, retry = RETRY_MS, max = MAX_DELAY_MS } = this.gateway.options
    const { source } = this.gateway
    let hasExpired = false
    let isRepeated = false
    for (let failures = 1; ; failures++) {
      let authorization: Record<string, string> = {}
      try {
        authorization = await this.gateway.authorization()
        return { ...(await this.#send(method, sent, authorization, signal)), isRepeated }
      } catch (error) {
        signal?.throwIfAborted()
        const isExpired = error instanceof SluiceError && error.status === 401 && !hasExpired
        if (isExpired && source.expire(authorization.Authorization)) {
          hasExpired = true
          continue
        }
        if (isFinal(error)) throw error
        if (failures >= attempts) throw gaveUp(failures, error)
        isRepeated = true
        await pause(delayAfter(error, failures, { retry, max }), signal)
        signal?.throwIfAborted()
      }
    }
  }

  async #send(
    method: string,
    { headers, body, query, expected }: Sent,
    authorization: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Omit<Exchange, 'isRepeated'>> {
    const { fetch = globalThis.fetch, timeout = TIMEOUT_MS, withCredentials } = this.gateway.options
    const limit = AbortSignal.timeout(timeout)
    const response = await fetch(this.gateway.urlOf(this.#path, query), {
      method,
      headers: { ...authorization, ...headers },
      body: body ?? null,
      // See requests.ts.
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      ...(withCredentials && { credentials: 'include' }),
    })
    if (!expected.includes(response.status)) throw await errorOf(response)
    return { response, text: await response.text() }
  }
}
