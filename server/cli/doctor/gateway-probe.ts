/**
 * Requests of `sluice doctor` to a gateway, as a client on the way through every proxy makes them. It uses node:http, because fetch
 * hides what matters here: when the first byte of a response arrives, and how a connection ends.
 */
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plain,
  type RequestOptions,
} from 'node:http'
import { request as secure } from 'node:https'

const REQUEST_MS = 10_000
const MAX_BODY_BYTES = 4 * 1024 * 1024

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** By the clock of this machine, in ms since 1970. */
  readonly askedAt: number
  readonly answeredAt: number
}

export interface Question {
  readonly method?: string
  readonly body?: object
  readonly isAnonymous?: boolean
  readonly deadlineMs?: number
}

export class GatewayProbe {
  /** The gateway's root; its path, if it has one, is the prefix of an application around it. */
  readonly url: URL
  readonly #credentials: string | undefined

  constructor(url: URL, credentials?: string) {
    this.url = url
    this.#credentials = credentials
  }

  get hasCredentials(): boolean {
    return this.#credentials !== undefined
  }

  /** @param path such as `/api/events`. @throws if no response arrives in time. */
  async ask(path: string, question: Question = {}): Promise<Answer> {
    const { method = 'GET', body, isAnonymous = false, deadlineMs = REQUEST_MS } = question
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      accept: 'application/json',
      ...(text !== undefined && { 'content-type': 'application/json' }),
    }
    const askedAt = Date.now()
    const signal = AbortSignal.timeout(deadlineMs)
    const response = await this.send({ path, method, headers, isAnonymous, signal }, text)
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of response) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) throw new Error(`The response to ${method} ${path} has more than 4 MiB.`)
    }
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: Buffer.concat(chunks).toString('utf8'),
      askedAt,
      answeredAt: Date.now(),
    }
  }

  /** Sends a request. @returns when the head of the response has arrived. Redirects are not followed: they name another URL. */
  send(
    { path, method = 'GET', headers, isAnonymous = false, signal }: Sending,
    body?: string,
  ): Promise<IncomingMessage> {
    const address = new URL(`${this.url.pathname.replace(/\/$/, '')}${path}`, this.url)
    const authorization =
      this.#credentials === undefined || isAnonymous ? {} : { authorization: `Bearer ${this.#credentials}` }
    const options: RequestOptions = {
      method,
      headers: { ...headers, ...authorization },
      agent: false,
      signal,
    }
    return new Promise((resolve, reject) => {
      const request = (address.protocol === 'https:' ? secure : plain)(address, options, resolve)
      request.on('error', reject)
      request.end(body)
    })
  }
}

export interface Sending {
  readonly path: string
  readonly method?: string
  readonly headers: Readonly<Record<string, string>>
  readonly isAnonymous?: boolean
  readonly signal: AbortSignal
}

/** The JSON object in a body; undefined if it has none. */
export function jsonOf({ text }: Pick<Answer, 'text'>): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** The detail of a problem document, or the status. */
export function refusalOf(answer: Answer): string {
  const { detail, code } = jsonOf(answer) ?? {}
  return typeof detail === 'string' ? `${detail} (${answer.status} ${code})` : `status ${answer.status}`
}

/** Why no response came, in words: the code of the system, such as ECONNREFUSED, or the message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no response in time'
  return 'code' in error && typeof error.code === 'string' ? `${error.code}` : error.message
}
