/** The `fetch` of a client whose tabs share a connection: it serves streams of events from the host, and leaves all else to the browser. */
import { blockReader } from '../../event-blocks.js'
import { textOf } from './event-text.js'
import type { Filter, Refusal } from './messages.js'
import { Pages, type Place } from './pages.js'
import { lastFrames, sharedFrames } from './shared-frames.js'
import type { TabSession } from './tab-session.js'

const STREAM = 'text/event-stream'
const MAX_BLOCK_BYTES = 64 * 1024
/** While the host has no connection, it says so to the tabs from time to time, which keeps their delays short. */
const WAIT_MS = 30_000

/** @param events the URL of the gateway's events, without a query. */
export function tabFetch(session: TabSession, events: string): typeof fetch {
  return async (input, init = {}) => {
    const url = new URL(String(input), location.href)
    const headers = new Headers(init.headers)
    const isStream = headers.get('accept') === STREAM && url.origin + url.pathname === events
    if (!isStream || url.searchParams.has('key') || url.searchParams.has('ticket')) return fetch(input, init)
    try {
      return await connect(session, new Connection(events, url, headers, init))
    } catch (error) {
      if (error instanceof Response) return error
      throw error
    }
  }
}

/** What the feed asks for. */
class Connection {
  readonly filter: Filter
  readonly signal: AbortSignal | undefined

  constructor(
    readonly events: string,
    readonly url: URL,
    readonly headers: Headers,
    readonly init: RequestInit,
  ) {
    const value = (name: string) => url.searchParams.get(name) ?? undefined
    this.filter = {
      stream: value('stream'),
      types: value('types'),
      where: value('where'),
      envelope: value('envelope'),
    }
    this.signal = init.signal ?? undefined
  }

  get pages(): Pages {
    const headers = { ...Object.fromEntries(this.headers), accept: 'application/json' }
    return new Pages(this.events, this.filter, { ...this.init, headers })
  }

  /** @returns undefined for the place of the host. */
  async place(): Promise<Place | undefined> {
    const cursor = this.headers.get('last-event-id')
    if (cursor) return { by: 'after', value: cursor }
    const from = this.url.searchParams.get('from')
    if (from) return from === 'now' ? undefined : { by: 'from', value: from }
    return this.url.searchParams.has('last') ? { by: 'after', value: await this.#firstCursor() } : undefined
  }

  /** Where a stream of the newest events starts: only the stream itself says that, in its first block. */
  async #firstCursor(): Promise<string> {
    const leaving = new AbortController()
    const signal = AbortSignal.any([leaving.signal, ...(this.signal ? [this.signal] : [])])
    const response = await fetch(this.url, { ...this.init, signal })
    if (response.status !== 200 || !response.body) throw response
    const reader = response.body.getReader()
    const take = blockReader('', { maxEventBytes: MAX_BLOCK_BYTES, onRetry: () => {} })
    try {
      while (true) {
        const { done, value } = await reader.read()
        if (done) throw new Error('The stream has ended before its first block.')
        const [block] = take(value)
        if (!block) continue
        if (block.event !== 'server.state') throw streamOf([textOf({ ...block, data: block.data ?? '' })])
        return block.id
      }
    } finally {
      leaving.abort()
    }
  }
}

async function connect(session: TabSession, connection: Connection): Promise<Response> {
  const { signal, filter } = connection
  const place = await connection.place()
  signal?.throwIfAborted()
  const membership = session.join(filter)
  const leave = () => membership.leave()
  signal?.addEventListener('abort', leave)
  try {
    const answer = await within(WAIT_MS, membership.admission, signal)
    switch (answer?.kind) {
      case 'joined': {
        const admitted = { head: answer.id, mode: answer.mode }
        return streamOf(await sharedFrames(membership, connection.pages, admitted, place), signal)
      }
      case 'complete': {
        const frames = await lastFrames(connection.pages, place)
        return frames ? streamOf(frames, signal) : new Response(null, { status: 204 })
      }
      case 'refused':
        return refused(answer.refusal)
      default:
        membership.leave()
        return streamOf([unavailable()])
    }
  } catch (error) {
    membership.leave()
    throw error
  }
}

/** The stream is not there yet: the feed asks again. */
function unavailable(): string {
  return textOf({ id: '', event: 'unavailable', data: '{"reason":"upstream"}' })
}

function refused({ status, problem }: Refusal): Response {
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  })
}

/** A response that takes the next text only when the feed reads on. */
function streamOf(texts: Iterable<string> | AsyncIterable<string>, signal?: AbortSignal): Response {
  const iterator = (async function* () {
    yield* texts
  })()
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        signal?.addEventListener('abort', () => controller.error(signal.reason))
        if (signal?.aborted) controller.error(signal.reason)
      },
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (signal?.aborted) return
        if (done) controller.close()
        else controller.enqueue(encoder.encode(value))
      },
      async cancel() {
        await iterator.return()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { 'content-type': STREAM } })
}

/** The value of the promise; undefined if it takes longer than `ms`. @throws when the signal aborts. */
async function within<T>(
  ms: number,
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let abort = () => {}
  try {
    return await new Promise<T | undefined>((resolve, reject) => {
      abort = () => reject(signal?.reason)
      signal?.addEventListener('abort', abort)
      timer = setTimeout(resolve, ms, undefined)
      promise.then(resolve, reject)
    })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
