/** A client of the form of Durable Streams, for tests. */

import type { Role } from '../../../src/auth/principal.js'
import { as, type Gateway } from '../../harness/gateway.js'

export interface Sent {
  readonly role?: Role
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | ReadableStream
  readonly signal?: AbortSignal
}

/** @param path the name of the stream, with a query. */
export function ask(
  { url }: Pick<Gateway, 'url'>,
  method: string,
  path: string,
  { role = 'editor', headers = {}, ...more }: Sent = {},
): Promise<Response> {
  const init = { method, headers: { ...as(role), ...headers }, duplex: 'half' as const, ...more }
  return fetch(`${url}/v1/stream/${path}`, init)
}

/** A body whose length is not announced. */
export function chunked(text: string): ReadableStream {
  return new Blob([text]).stream()
}
