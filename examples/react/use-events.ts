/**
 * A React hook that follows a stream of Sluice: `const { events, state } = useEvents({ path: '/api/events?last=50', types, token })`.
 * React 18 or later, and nothing else.
 */
import { useEffect, useState } from 'react'

export interface SluiceEvent {
  readonly id: string
  readonly type: string
  readonly data: unknown
}

export interface UseEventsOptions {
  /** Origin of the gateway, and its prefix if it has one. Default: the origin of the page. */
  readonly gateway?: string
  /** The stream, with its parameters: `/api/events?last=50`. */
  readonly path: string
  /** An EventSource delivers only the types that it knows: `['item.created', 'item.updated']`. Give the same array each time. */
  readonly types: readonly string[]
  /** A valid token. Called for each ticket, so it may renew the token. Give the same function each time. */
  readonly token: () => Promise<string>
  /** How many events are kept, the newest ones. Default 500. */
  readonly keep?: number
}

export interface Events {
  readonly events: readonly SluiceEvent[]
  /** `missing`: events are missing before the next one. Load your state again, which is what `reset` asks for. */
  readonly state: 'connecting' | 'live' | 'missing' | 'refused'
}

const RETRY_MS = 2_000

export function useEvents({ gateway = '', path, types, token, keep = 500 }: UseEventsOptions): Events {
  const [events, setEvents] = useState<readonly SluiceEvent[]>([])
  const [state, setState] = useState<Events['state']>('connecting')

  useEffect(() => {
    // React in its strict mode mounts each component twice: what belongs to the first time must end.
    const ending = new AbortController()
    let source: EventSource | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let lastId = ''
    setEvents([])

    async function open(): Promise<void> {
      setState('connecting')
      try {
        // An EventSource cannot set headers, and a token in a URL leaks. A ticket is good once, for this browser alone.
        const response = await fetch(`${gateway}/api/stream-tickets`, {
          method: 'POST',
          headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
          body: JSON.stringify({ path }),
          credentials: 'include',
          signal: ending.signal,
        })
        if (response.status >= 400 && response.status < 500 && response.status !== 429)
          return setState('refused')
        if (!response.ok) throw new Error(`status ${response.status}`)
        const { url }: { url: string } = await response.json()
        if (!ending.signal.aborted) follow(`${gateway}${url}${lastId && `&last_event_id=${lastId}`}`)
      } catch {
        retry()
      }
    }

    function follow(url: string): void {
      source = new EventSource(url, { withCredentials: true })
      for (const type of types) {
        source.addEventListener(type, event => {
          lastId = event.lastEventId
          const next = { id: event.lastEventId, type, data: JSON.parse(event.data) }
          setEvents(events => [...events, next].slice(-keep))
        })
      }
      source.addEventListener('server.state', () => setState('live'))
      source.addEventListener('reset', ({ lastEventId }) => {
        lastId = lastEventId
        setState('missing')
      })
      // The token has expired. The source would come back with it and be refused for good: a new ticket instead.
      source.addEventListener('auth-expired', () => {
        source?.close()
        retry()
      })
      source.addEventListener('error', () => {
        setState('connecting')
        // Otherwise it comes back by itself, with the id of its last event.
        if (source?.readyState === EventSource.CLOSED) retry()
      })
    }

    function retry(): void {
      if (!ending.signal.aborted) timer = setTimeout(() => void open(), RETRY_MS * (0.5 + Math.random()))
    }

    void open()
    return () => {
      ending.abort()
      clearTimeout(timer)
      source?.close()
    }
  }, [gateway, path, types, token, keep])

  return { events, state }
}
