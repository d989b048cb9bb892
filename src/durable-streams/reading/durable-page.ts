/**
 * A page of a stream, for a request that catches up or polls. It is read from the log, so a client that has just written gets its own
 * message. A long poll holds no connection to the database while it waits: the tailer ends the wait, as it wakes any follower.
 */
import type { Database } from '../../database/pool.js'
import type { Cursor } from '../../hub/cursor.js'
import { readEventPage, type StreamPageRequest } from '../../hub/event-page.js'
import type { Hub } from '../../hub/hub.js'
import type { HubStream } from '../../hub/hub-stream.js'
import type { Reset } from '../../hub/start.js'
import type { Content } from './content.js'
import { type PageBody, pageBody } from './page-body.js'

export interface DurablePageRequest extends StreamPageRequest {
  readonly content: Content
  /** Whether the stream was closed before the request is read. */
  readonly closed: boolean
}

export interface DurablePage extends PageBody {
  readonly from: Cursor
  /** The place up to which the client has everything after this page. */
  readonly next: Cursor
  /** Whether that is the end of the stream, as the page was read. */
  readonly isHead: boolean
  /** Whether nothing will ever follow. */
  readonly isEnd: boolean
}

export type DurablePageResult =
  | { readonly outcome: 'page'; readonly page: DurablePage }
  /** The log does not continue at the offset. */
  | { readonly outcome: 'reset'; readonly reset: Reset }
  | { readonly outcome: 'not-found' }

export async function readDurablePage(
  hub: Pick<Hub, 'open' | 'starts'>,
  database: Database,
  request: DurablePageRequest,
): Promise<DurablePageResult> {
  const handle = await hub.open(request.workspace, request.stream, {
    streams: request.streams,
    gone: request.gone,
  })
  if (!handle) return { outcome: 'not-found' }
  try {
    const { cursor, reset } = await hub.starts.resolve(handle.stream, request.from, undefined, request)
    if (reset) return { outcome: 'reset', reset }
    return await readOn(database, handle.stream, cursor, request)
  } finally {
    handle.release()
  }
}

async function readOn(
  database: Database,
  stream: HubStream,
  from: Cursor,
  { content, closed, ...request }: DurablePageRequest,
): Promise<DurablePageResult> {
  const over = performance.now() + request.waitMs
  let after = from
  for (;;) {
    // The stream may close after a page without messages was read, and then nothing would end the next wait.
    const waitMs = closed || stream.closed ? 0 : Math.max(0, over - performance.now())
    const page = await readEventPage(database, stream, { ...request, after, waitMs })
    if (stream.deleted) return { outcome: 'not-found' }
    if ('reason' in page) return { outcome: 'reset', reset: page }
    const { next, head, events } = page
    const isHead = next.position >= head.position
    const body = pageBody(events, content)
    // A wait goes on after events that are no messages of the stream.
    if (body.messages === 0 && waitMs > 0 && events.length > 0) {
      after = next
      continue
    }
    // The news of the close, and of the last message with it, may be newer than the page.
    const isEnd = isHead && (closed || (stream.closed && next.position >= stream.head.position))
    return { outcome: 'page', page: { ...body, from, next, isHead, isEnd } }
  }
}
