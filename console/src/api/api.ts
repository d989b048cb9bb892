/**
 * Requests to the gateway that served this page, with the credentials of the session. All paths are relative (`api/items`), so
 * they work under every prefix.
 */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { headersOf } from '../session/credentials.ts'
import { asProblem, problemIn } from './problem.ts'

export type Query = Readonly<Record<string, string | number | undefined>>

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Undefined and empty values are left out. */
  readonly query?: Query
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal
}

export interface Api {
  /**
   * A 401 asks for new credentials. A read waits for them and is repeated, so that the place is not lost; a change is not repeated,
   * because its reader may be another person by then.
   * @throws {ProblemError} unless the status is 2xx.
   */
  request(path: string, options?: RequestOptions): Promise<Response>
  /** The body of a response that is JSON. */
  get<T>(path: string, options?: Pick<RequestOptions, 'query' | 'signal'>): Promise<T>
  /** A change. @returns the body; `{}` if there is none (204). */
  send<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    options?: RequestOptions,
  ): Promise<T>
  /** A stream has said that the credentials no longer work: asks for new ones, and resolves when they are there. */
  expire(reason: string): Promise<void>
}

/** The credentials of the requests, and how to replace them. */
export interface Caller {
  /** The current credentials. */
  credentials(): string
  /** Asks for new credentials. Undefined: a 401 is a refusal like any other. */
  readonly expire?: (reason: string) => Promise<void>
}

export function createApi(caller: Caller): Api {
  async function request(path: string, options: RequestOptions = {}): Promise<Response> {
    const { method = 'GET', query, headers, body, signal } = options
    const credentials = caller.credentials()
    const response = await fetch(urlOf(path, query), {
      method,
      cache: 'no-store',
      headers: {
        accept: 'application/json',
        ...headersOf(credentials),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    }).catch((error: unknown) => {
      throw signal?.aborted ? error : asProblem(error)
    })
    if (response.ok) return response
    const refusal = await problemIn(response)
    if (response.status !== 401 || !caller.expire) throw refusal
    // New ones may have arrived while the request with the old ones was under way.
    const isCurrent = credentials === caller.credentials()
    const renewed = isCurrent ? caller.expire(refusal.problem.detail) : Promise.resolve()
    if (method !== 'GET') throw refusal
    await renewed
    signal?.throwIfAborted()
    return request(path, options)
  }

  return {
    request,
    expire: async reason => caller.expire?.(reason),
    async get<T>(path: string, options?: Pick<RequestOptions, 'query' | 'signal'>): Promise<T> {
      return (await request(path, options)).json()
    },
    async send<T>(
      method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
      path: string,
      body?: unknown,
      options?: RequestOptions,
    ): Promise<T> {
      const response = await request(path, { ...options, method, body })
      const text = await response.text()
      return JSON.parse(text || '{}')
    },
  }
}

export const ApiContext = createContext<Api | undefined>(undefined)

export function useApi(): Api {
  const api = useContext(ApiContext)
  if (!api) throw new Error('There is no session around this component.')
  return api
}

export function urlOf(path: string, query: Query = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  const text = new URLSearchParams(given).toString()
  return text ? `${path}?${text}` : path
}
