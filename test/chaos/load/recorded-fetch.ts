/** A fetch that records the connections of a client whose library opens them: their ids, statuses and ends. */
import type { RecordedClient } from '../../checker/recorder.js'
import type { Tally } from '../../followers/follower.js'

export interface RecordedFetchOptions {
  readonly record: RecordedClient
  readonly tally: Tally
  /** Called for each request. @param isRefused whether the last one was refused. */
  readonly authorization: (isRefused: boolean) => string
}

export interface RecordedFetch {
  readonly fetch: (url: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** The credentials are good for nothing more. */
  refused(): void
  /** The client has ended its connection. */
  closed(): void
}

export function recordedFetch({ record, tally, authorization }: RecordedFetchOptions): RecordedFetch {
  let isOpen = false
  let isRefused = false
  const close = (by: 'client' | 'broken') => {
    if (isOpen) record.close(by)
    isOpen = false
  }
  return {
    async fetch(url, init) {
      close('broken')
      const headers = new Headers(init?.headers)
      const inUrl = new URL(String(url)).searchParams.get('last_event_id')
      record.open(headers.get('last-event-id') ?? inUrl ?? undefined)
      isOpen = true
      tally.connections += 1
      headers.set('authorization', authorization(isRefused))
      const response = await fetch(url, { ...init, headers })
      record.status(response.status)
      isRefused = response.status === 401 || response.status === 403
      if (response.status !== 200) tally.refusals += 1
      return response
    },
    refused() {
      isRefused = true
    },
    closed: () => close('client'),
  }
}
