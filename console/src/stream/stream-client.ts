/**
 * A live stream as lines (NDJSON), read with fetch: an EventSource delivers only events of names that have a listener, cannot
 * send credentials in a header, and cannot see why it was refused. So this file does what an EventSource does by itself: it
 * resumes after its last id, reconnects with growing delays, and detects a dead connection by its silence.
 *
 * connecting ──▶ behind ──▶ live ──▶ reconnecting ──▶ connecting …
 *      │        (it has events of the past to read)     (broken, ended by age, draining, or the gateway is busy)
 *      └──▶ refused (a retry cannot succeed) · ended (the stream has had its last event, or the credentials have ended: with
 *           new ones it goes on)
 */
import type { Api, Query } from '../api/api.ts'
import { Backoff } from '../api/backoff.ts'
import { asProblem, type ProblemError } from '../api/problem.ts'
import { linesOf } from './lines.ts'

export interface StreamEvent {
  readonly id: string
  readonly position: number
  readonly type: string
  readonly at: string
  readonly event_id: string
  readonly data: unknown
  readonly traceparent?: string
  /** As it arrived, with every digit of its numbers. */
  readonly line: string
}

export interface Notice {
  readonly type: string
  readonly id?: string
  readonly data: Readonly<Record<string, unknown>>
}

export type StreamState =
  | { readonly name: 'connecting' }
  /** `missing`: how many events it has to read until it has all that there were. */
  | { readonly name: 'behind'; readonly missing: number }
  | { readonly name: 'live'; readonly mode: string }
  /** `at`: when it tries again, in milliseconds since 1970. */
  | { readonly name: 'reconnecting'; readonly at: number; readonly why: string }
  | { readonly name: 'refused'; readonly failure: ProblemError }
  | { readonly name: 'ended'; readonly why: string }

/** The events between these cannot be delivered. */
export interface Reset {
  readonly reason: string
  /** The position up to which the page has every event. */
  readonly after: number
  readonly head: number
  /** The event id after which everything is still stored. */
  readonly earliest: string
}

export interface StreamOptions {
  readonly api: Api
  /** Such as `api/events`. */
  readonly path: string
  /** `stream`, `types`, `where`, and where to start: `from` or `last`. */
  readonly query: Query
  /** The position of the newest event when a connection begins. Without it the state `behind` is not known. */
  readonly headOf?: (signal: AbortSignal) => Promise<number>
  /** Events in their order, a few at a time, so that thousands do not stop the page. `isFresh`: not from the past. */
  readonly onEvents: (events: readonly StreamEvent[], isFresh: boolean) => void
  readonly onState: (state: StreamState) => void
  readonly onReset?: (reset: Reset) => void
  /** Every other notice, such as the `snapshot` of a job. */
  readonly onNotice?: (notice: Notice) => void
}

const SILENCE_MS = 75_000
/** Events of this time are handed on together. */
const TOGETHER_MS = 30

export interface Stream {
  /** Ends the wait for the next attempt. */
  retry(): void
  close(): void
}

export function followStream(options: StreamOptions): Stream {
  const { api, path, query, headOf, onEvents, onState, onReset, onNotice } = options
  let connection = new AbortController()
  let isClosed = false
  let cursor = ''
  const backoff = new Backoff()
  let mode = 'normal'
  /** The head when this connection began; undefined while it is not known. */
  let head: number | undefined
  let position = 0
  let isBehind = false
  let pending: StreamEvent[] = []
  let silence: ReturnType<typeof setTimeout> | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let flushing: ReturnType<typeof setTimeout> | undefined

  async function open(): Promise<void> {
    clearTimeout(again)
    const { signal } = connection
    onState({ name: 'connecting' })
    alive()
    try {
      head = headOf && (await headOf(signal))
      const { from, last, ...others } = query
      const response = await api.request(path, {
        query: cursor ? others : query,
        headers: { accept: 'application/x-ndjson', ...(cursor && { 'last-event-id': cursor }) },
        signal,
      })
      if (response.status === 204 || !response.body)
        return end({ name: 'ended', why: 'The stream is closed: it has had its last event.' })
      for await (const line of linesOf(response.body)) {
        if (!isCurrent(signal)) return
        hear(line)
      }
      if (isCurrent(signal)) comeBack(Backoff.again(), 'The connection ended.')
    } catch (error) {
      if (!isCurrent(signal)) return
      const failure = asProblem(error)
      const isBroken = signal.aborted || failure.problem.status === 0
      if (!isBroken && !failure.isTemporary) return end({ name: 'refused', failure })
      const why = isBroken ? 'The gateway does not answer.' : failure.problem.detail
      comeBack(backoff.next(failure.problem.retry_after), why)
    }
  }

  function hear(line: string): void {
    if (line === '') return
    alive()
    backoff.reset()
    const document: Omit<StreamEvent, 'line'> | Notice = JSON.parse(line)
    if ('position' in document) {
      position = document.position
      pending.push({ ...document, line })
      flushing ??= setTimeout(flush, TOGETHER_MS)
    } else hearNotice(document)
    if (document.id) cursor = document.id
  }

  function hearNotice({ type, id, data }: Notice): void {
    const after = positionOf(cursor)
    // The id of a notice is the cursor: a filter may have left out the events before it.
    if (id) position = Math.max(position, positionOf(id))
    switch (type) {
      case 'heartbeat':
        if (isBehind) onState(stateNow())
        return
      case 'server.state':
        mode = String(data.mode)
        onState(mode === 'draining' ? { name: 'live', mode } : stateNow())
        return
      case 'reset': {
        flush()
        const { reason, head: newest, earliest } = data
        position = positionOf(String(newest))
        onReset?.({ reason: String(reason), after, head: position, earliest: String(earliest) })
        if (reason === 'deleted') end({ name: 'ended', why: 'The stream was deleted.' })
        return
      }
      case 'auth-expired':
      case 'auth-revoked':
        endCredentials(
          `Your ${type === 'auth-expired' ? 'token has expired' : 'credentials have been revoked'}.`,
        )
        return
      default:
        onNotice?.({ type, data, ...(id && { id }) })
    }
  }

  function stateNow(): StreamState {
    isBehind = head !== undefined && position < head
    return isBehind && head !== undefined
      ? { name: 'behind', missing: head - position }
      : { name: 'live', mode }
  }

  function flush(): void {
    clearTimeout(flushing)
    flushing = undefined
    if (pending.length === 0) return
    const events = pending
    pending = []
    onEvents(events, head === undefined || (events[0]?.position ?? 0) > head)
    // Live only when the page has the events.
    if (isBehind && !isClosed) onState(stateNow())
  }

  function comeBack(ms: number, why: string): void {
    flush()
    // One of the last events may have been the end.
    if (isClosed) return
    drop()
    onState({ name: 'reconnecting', at: Date.now() + ms, why })
    again = setTimeout(() => void open(), ms)
  }

  /** Ends the connection; later data from it is ignored. */
  function drop(): void {
    clearTimeout(silence)
    clearTimeout(again)
    connection.abort()
    connection = new AbortController()
  }

  function isCurrent(signal: AbortSignal): boolean {
    return !isClosed && signal === connection.signal
  }

  function alive(): void {
    clearTimeout(silence)
    silence = setTimeout(() => connection.abort(), SILENCE_MS)
  }

  function close(): void {
    flush()
    isClosed = true
    drop()
  }

  function end(state: StreamState): void {
    close()
    onState(state)
  }

  /** Goes on after the last event, as soon as there are new credentials. */
  function endCredentials(why: string): void {
    flush()
    if (isClosed) return
    drop()
    onState({ name: 'ended', why })
    void api.expire(why).then(() => {
      if (!isClosed) void open()
    })
  }

  void open()
  return {
    close,
    retry() {
      if (isClosed) return
      drop()
      void open()
    },
  }
}

/** The position in an event id, `<position>.<check>`; 0 if the text is not an event id. */
export function positionOf(id: string): number {
  return Number.parseInt(id, 10) || 0
}
