/** `useJob`: a React component that follows a job to its end. */
import { useEffect, useState } from 'react'
import type { Client } from '../client.js'
import type { SluiceError } from '../errors.js'
import type { FeedEvent } from '../events.js'
import type { JobEnd } from '../jobs.js'
import { Newest } from './newest.js'
import { type Status, StatusOf } from './stream-status.js'
import { asError } from './use-feed.js'

const KEEP = 500

export interface UsedJob {
  /** The newest `keep` events of the job, in their order. */
  readonly events: readonly FeedEvent[]
  /** `ended` when the job has. */
  readonly status: Status
  /** How the job has ended; undefined before. */
  readonly end: JobEnd | undefined
  /** Why the status is `refused`. */
  readonly error: SluiceError | undefined
}

const NOTHING: UsedJob = { events: [], status: 'connecting', end: undefined, error: undefined }

/**
 * Follows the job while the component is mounted, or until it ends. Another client or id starts anew.
 * @param client made outside of the component.
 * @param id undefined: no job yet; the status is `connecting`.
 */
export function useJob(
  client: Pick<Client, 'job'>,
  id: string | undefined,
  { keep = KEEP }: { readonly keep?: number | undefined } = {},
): UsedJob {
  const [job, setJob] = useState(NOTHING)

  useEffect(() => {
    setJob(NOTHING)
    if (id === undefined) return
    const ending = new AbortController()
    const change = (changes: Partial<UsedJob>) =>
      ending.signal.aborted || setJob(job => ({ ...job, ...changes }))
    const newest = new Newest<FeedEvent>(keep, events => change({ events }))
    const statusOf = new StatusOf((status, error) => change({ status, error }))

    const follow = async () => {
      const followed = client.job(id, {
        signal: ending.signal,
        onState: state => statusOf.state(state),
        onNotice: notice => statusOf.notice(notice),
      })
      for await (const event of followed.events) newest.add(event)
      change({ end: await followed, status: 'ended' })
    }
    follow().catch(error => ending.signal.aborted || statusOf.failed(asError(error)))
    return () => {
      ending.abort()
      newest.stop()
    }
  }, [client, id, keep])

  return job
}
