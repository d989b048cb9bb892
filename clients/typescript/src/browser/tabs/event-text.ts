/** The text of an event stream (WHATWG HTML §9.2.5), for the blocks that a tab gets from the host and from pages. */
import type { Frame } from './messages.js'

/** Only the place in the host was lost, so the feed may join again at once. */
const RETRY_MS = 100

/** The first block. It names no connection, because the host renews the credentials. */
export function hello(id: string | undefined, mode: string): string {
  return `retry: ${RETRY_MS}\n${textOf({ id: id ?? '', event: 'server.state', data: JSON.stringify({ mode }) })}`
}

/** Moves the cursor, and dispatches nothing. */
export function cursorText(id: string): string {
  return `id: ${id}\n\n`
}

export function textOf({ id, event, data }: Omit<Frame, 'isEvent'>): string {
  return `${id && `id: ${id}\n`}${event && `event: ${event}\n`}data: ${data.replaceAll('\n', '\ndata: ')}\n\n`
}
