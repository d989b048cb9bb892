/** A client of consumers for tests: creates them, opens them, acknowledges. */
import type { Test } from 'tap'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway } from '../../harness/gateway.js'

export const numbered = (n: number) => ({ type: 'thing.made', data: { n } })

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: each test matches the part that it is about.
  readonly body: any
}

export async function call(
  { url }: Pick<Gateway, 'url'>,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = as('editor'),
  signal: AbortSignal | null = null,
): Promise<Answer> {
  const response = await fetch(`${url}/api/consumers/${path}`, {
    ...{ method, signal },
    headers: {
      ...headers,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
}

/** Creates one that starts at the beginning of the feed. */
export async function create(gateway: Gateway, name: string, settings: object = {}): Promise<void> {
  const { status, body } = await call(gateway, 'PUT', name, { start: 'beginning', ...settings })
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`)
}

export function open(
  t: Test,
  { url }: Gateway,
  name: string,
  query = '',
  headers = {},
): Promise<EventStream> {
  return openStream(t, `${url}/api/consumers/${name}/events${query}`, {
    headers: { ...as('editor'), ...headers },
  })
}

/** Opens it as soon as no other client holds it. */
export async function openWhenFree(t: Test, gateway: Gateway, name: string): Promise<EventStream> {
  for (;;) {
    const stream = await open(t, gateway, name)
    const [first] = await stream.until(1)
    if (first?.event === 'server.state') return stream
    await stream.ended()
  }
}

/** A page of it; `path` is its name and the query. @param gone ends the request. */
export function page(gateway: Gateway, path: string, gone?: AbortSignal): Promise<Answer> {
  const [name, query] = path.split('?')
  const headers = { ...as('editor'), accept: 'application/json' }
  return call(gateway, 'GET', `${name}/events${query ? `?${query}` : ''}`, undefined, headers, gone)
}

export function acknowledge(gateway: Gateway, name: string, id = '', epoch?: number): Promise<Answer> {
  return call(gateway, 'POST', `${name}/ack`, { id, ...(epoch !== undefined && { epoch }) })
}

/** The events of a stream so far: the `n` of each, in the order in which they came. */
export function numbers({ messages }: EventStream): number[] {
  return messages.filter(({ event }) => event === 'thing.made').map(({ data }) => JSON.parse(data).n)
}

export function consumerOf({ messages }: EventStream) {
  return JSON.parse(messages[0]?.data ?? '{}').consumer
}
