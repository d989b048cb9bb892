/** `useFeed`: a React component that follows a stream of events. */
import { useEffect, useRef, useState } from 'react'
import type { Client } from '../client.js'
import { SluiceError } from '../errors.js'
import type { FeedEvent } from '../events.js'
import type { FeedOptions } from '../feed-options.js'
import { Newest } from './newest.js'
import { type Status, StatusOf } from './stream-status.js'

const KEEP = 500

export interface UseFeedOptions<Terms extends string> extends Omit<FeedOptions<Terms>, 'signal' | 'onState'> {
  /** How many events `events` has, the newest ones. Default 500. */
  readonly keep?: number | undefined
  /** Called with each event, one after the other; the cursor is saved after its promise. */
  onEvent?: ((event: FeedEvent<Terms>) => unknown) | undefined
}

export interface UsedFeed<Terms extends string> {
  /** The events in their order, the newest one last. */
  readonly events: readonly FeedEvent<Terms>[]
  readonly status: Status
  /** Why the status is `refused`. */
  readonly error: SluiceError | undefined
}

/**
 * Follows the feed while the component is mounted. Another client or other options start a new feed, with an empty list; functions and
 * the cursor store may be others in each rendering, and the latest ones are used. Without `reload`,
 * the feed continues after missing events, and the status stays `behind`.
 * @param client made outside of the component, by `createClient` or `createTabClient`.
 */
export function useFeed<const Terms extends string = string>(
  client: Pick<Client, 'feed'>,
  options: UseFeedOptions<Terms> = {},
): UsedFeed<Terms> {
  const [events, setEvents] = useState<readonly FeedEvent<Terms>[]>([])
  const [{ status, error }, setStatus] = useState<{ status: Status; error?: SluiceError | undefined }>({
    status: 'connecting',
  })
  const latest = useRef(options)
  useEffect(() => {
    latest.current = options
  })
  const { cursor: _, ...compared } = options
  // Functions are left out of JSON, so they start no new feed.
  const key = JSON.stringify(compared)

  useEffect(() => {
    const given: UseFeedOptions<Terms> = JSON.parse(key)
    const { keep = KEEP, ...selection } = given
    const { cursor, fetch } = latest.current
    const ending = new AbortController()
    const newest = new Newest<FeedEvent<Terms>>(keep, setEvents)
    const statusOf = new StatusOf((status, error) => setStatus({ status, error }))
    setEvents([])
    setStatus({ status: 'connecting' })

    const feed = client.feed<Terms>({
      ...selection,
      cursor,
      fetch,
      signal: ending.signal,
      onState: state => ending.signal.aborted || statusOf.state(state),
      onNotice(notice) {
        statusOf.notice(notice)
        latest.current.onNotice?.(notice)
      },
      async reload(notice) {
        statusOf.missing(true)
        const { reload } = latest.current
        if (!reload) return undefined
        const head = await reload(notice)
        statusOf.missing(false)
        return head ?? undefined
      },
    })
    const followed = feed.each(async event => {
      newest.add(event)
      await latest.current.onEvent?.(event)
    })
    followed.catch(error => ending.signal.aborted || statusOf.failed(asError(error)))
    return () => {
      ending.abort()
      newest.stop()
    }
  }, [client, key])

  return { events, status, error }
}

/** What the application's own functions throw ends the feed too. */
export function asError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  return new SluiceError('application', error instanceof Error ? error.message : String(error), {
    cause: error,
  })
}
