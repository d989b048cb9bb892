import { EventSource } from 'eventsource'
import { as } from './gateway.js'

/** Follows the feed as a viewer. @returns its source, and the ids of the events `thing.made` that it gets. */
export function followThings(url: string): {
  readonly source: EventSource
  readonly seen: readonly string[]
} {
  const source = new EventSource(`${url}/api/events`, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...as('viewer') } }),
  })
  const seen: string[] = []
  source.addEventListener('thing.made', ({ lastEventId }) => seen.push(lastEventId))
  return { source, seen }
}
