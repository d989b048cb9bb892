/**
 * The events of a filter: followed live, or, with a place in the past, read page by page around it.
 *
 * The list is held while somebody has paused it, or has scrolled away from the newest event: new events are counted, and the rows
 * stay where they are.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { type Api, useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { announce } from '../../pieces/announcements.tsx'
import {
  followStream,
  positionOf,
  type Stream,
  type StreamEvent,
  type StreamState,
} from '../../stream/stream-client.ts'
import { append, EMPTY_LOG, type EventLog, type Gap, prepend, release, rematch } from './event-log.ts'
import { type Filter, isTime, matcherOf, queryOf } from './filter.ts'

const REPLAY = 200
const PAGE = 500
/** Pages that one request for older events reads, while a filter leaves out everything in them. */
const MAX_PAGES = 20

export interface Feed {
  readonly log: EventLog
  /** Undefined in the past. */
  readonly state: StreamState | undefined
  readonly failure: ProblemError | undefined
  readonly lastGap: Gap | undefined
  readonly isPaused: boolean
  setPaused(isPaused: boolean): void
  /** Whether the newest event is in sight. */
  setAtTop(isAtTop: boolean): void
  showNew(): void
  loadOlder(): Promise<void>
  /** In the past: events after the ones that are shown. */
  loadNewer(): Promise<void>
  /** Ends the wait for the next attempt. */
  retry(): void
  /** Begins anew, after a refusal. */
  restart(): void
}

export function useFeed(filter: Filter, onFresh: (events: readonly StreamEvent[]) => void): Feed {
  const api = useApi()
  const { stream, types, from, until, at, text } = filter
  const [log, setLog] = useState(EMPTY_LOG)
  const [state, setState] = useState<StreamState>()
  const [failure, setFailure] = useState<ProblemError>()
  const [lastGap, setLastGap] = useState<Gap>()
  const [isPaused, setPaused] = useState(false)
  const [round, setRound] = useState(0)
  const isAtTop = useRef(true)
  /** The position down to which the past is known, though a filter may have left it out. */
  const knownFrom = useRef(Number.POSITIVE_INFINITY)
  const following = useRef<Stream | undefined>(undefined)
  const fresh = useRef(onFresh)
  fresh.current = onFresh
  const matches = useMemo(() => matcherOf(filter), [text, until])
  // For callbacks that outlive a rendering.
  const now = useRef({ matches, isPaused, log })
  now.current = { matches, isPaused, log }

  useEffect(() => {
    setLog(EMPTY_LOG)
    setFailure(undefined)
    setLastGap(undefined)
    isAtTop.current = true
    knownFrom.current = Number.POSITIVE_INFINITY
    const add = (added: Parameters<typeof append>[1]) =>
      setLog(before => append(before, added, now.current.matches, now.current.isPaused || !isAtTop.current))
    if (at !== '') {
      setState(undefined)
      const aborter = new AbortController()
      pageAround(api, filter, aborter.signal).then(add, (error: unknown) => {
        if (!aborter.signal.aborted) setFailure(asProblem(error))
      })
      return () => aborter.abort()
    }
    const query = queryOf(filter)
    const opened = followStream({
      api,
      path: 'api/events',
      query: { ...query, ...(from === '' ? { last: REPLAY } : { from }) },
      // Of a filter nobody knows how many events are still to come.
      ...(types === '' && { headOf: (signal: AbortSignal) => headOf(api, query, signal) }),
      onEvents: (events, isFresh) => {
        add(events)
        if (isFresh) fresh.current(events)
      },
      onState: setState,
      onReset: reset => {
        const gap = { ...reset, gap: true as const, position: reset.after }
        add([gap])
        setLastGap(gap)
      },
    })
    following.current = opened
    return () => opened.close()
  }, [api, stream, types, from, at, round])

  useEffect(() => setLog(before => rematch(before, matches)), [matches])
  useEffect(() => {
    if (!isPaused && isAtTop.current) setLog(release)
  }, [isPaused])

  const loadOlder = useCallback(async () => {
    try {
      const first = now.current.log.entries[0]?.position ?? 1 + (await headOf(api, queryOf(filter)))
      knownFrom.current = Math.min(knownFrom.current, first)
      for (let pages = 0; pages < MAX_PAGES && knownFrom.current > 1; pages += 1) {
        const start = Math.max(0, knownFrom.current - 1 - PAGE)
        const events = await pageAfter(api, filter, start)
        const older = events.filter(({ position }) => position < knownFrom.current)
        knownFrom.current = start + 1
        setLog(before => prepend(before, older, now.current.matches))
        if (older.length > 0) return
      }
      const where = knownFrom.current > 1 ? ` down to #${knownFrom.current}. Load again to look further` : ''
      announce(`There are no older events${where}.`)
    } catch (error) {
      announce(asProblem(error).problem.detail, { isFailure: true })
    }
  }, [api, stream, types])
  const loadNewer = useCallback(async () => {
    const last = now.current.log.entries.at(-1)?.position ?? 0
    try {
      const events = await pageAfter(api, filter, last)
      setLog(before => append(before, events, now.current.matches, false))
      if (events.length === 0) announce('There are no newer events.')
    } catch (error) {
      announce(asProblem(error).problem.detail, { isFailure: true })
    }
  }, [api, stream, types])

  return {
    ...{ log, state, failure, lastGap, isPaused, setPaused, loadOlder, loadNewer },
    setAtTop: useCallback((next: boolean) => {
      isAtTop.current = next
      if (next && !now.current.isPaused) setLog(release)
    }, []),
    showNew: useCallback(() => {
      isAtTop.current = true
      setPaused(false)
      setLog(release)
    }, []),
    retry: useCallback(() => following.current?.retry(), []),
    restart: useCallback(() => setRound(before => before + 1), []),
  }
}

async function headOf(api: Api, query: ReturnType<typeof queryOf>, signal?: AbortSignal): Promise<number> {
  const { head } = await api.get<{ head: string }>('api/events', {
    query: { ...query, from: 'now', limit: 1 },
    ...(signal && { signal }),
  })
  return positionOf(head)
}

function pageAround(api: Api, filter: Filter, signal: AbortSignal): Promise<StreamEvent[]> {
  const { at } = filter
  if (!isTime(at)) return pageAfter(api, filter, Math.max(0, positionOf(at) - 1 - PAGE / 2), signal)
  return page(api, filter, { from: at }, signal)
}

function pageAfter(api: Api, filter: Filter, position: number, signal?: AbortSignal): Promise<StreamEvent[]> {
  return page(api, filter, { after: String(position) }, signal)
}

async function page(
  api: Api,
  filter: Filter,
  start: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<StreamEvent[]> {
  const query = { ...queryOf(filter), ...start, limit: PAGE }
  const { events } = await api.get<{ events: Omit<StreamEvent, 'line'>[] }>('api/events', {
    query,
    ...(signal && { signal }),
  })
  return events.map(event => ({ ...event, line: JSON.stringify(event) }))
}
