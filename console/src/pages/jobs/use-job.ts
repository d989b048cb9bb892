/**
 * One job, followed live: the job as the gateway has it, read again with each of its own events, and the output that its stream
 * holds. The stream ends with the event that ends the job.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Job } from '../../../../src/jobs/job.ts'
import { useApi } from '../../api/api.ts'
import { type Requested, useRequest } from '../../api/use-request.ts'
import { followStream, positionOf, type StreamState } from '../../stream/stream-client.ts'
import { isEnd, JobOutput } from './job-output.ts'

export interface FollowedJob {
  readonly requested: Requested<Job>
  readonly output: JobOutput
  /** Changes whenever the output does. */
  readonly version: number
  readonly state: StreamState
  /** Why events are missing, if some are. */
  readonly gap: string | undefined
}

const ENDED: StreamState = { name: 'ended', why: 'The job has ended.' }

export function useJob(id: string): FollowedJob {
  const api = useApi()
  const path = `api/jobs/${encodeURIComponent(id)}`
  const requested = useRequest<Job>(asked => asked.get(path), [path])
  const reload = useRef(requested.reload)
  reload.current = requested.reload
  const output = useRef(new JobOutput())
  const [version, setVersion] = useState(0)
  const [state, setState] = useState<StreamState>({ name: 'connecting' })
  const [gap, setGap] = useState<string>()

  useEffect(() => {
    const begun = new JobOutput()
    output.current = begun
    setGap(undefined)
    const stream = followStream({
      api,
      path: `${path}/events`,
      query: {},
      async headOf(signal) {
        const response = await api.request(path, { signal })
        return positionOf(response.headers.get('x-sluice-head') ?? '')
      },
      onEvents(events) {
        for (const event of events) begun.take(event)
        setVersion(before => before + 1)
        if (events.some(({ type }) => type.startsWith('job.'))) reload.current()
        if (!events.some(isEnd)) return
        stream.close()
        setState(ENDED)
      },
      onState: setState,
      onReset: ({ after, head }) => {
        setGap(`Events between #${after} and #${head} of this job are gone.`)
        reload.current()
      },
    })
    return () => stream.close()
  }, [api, path])

  return { requested, output: output.current, version, state, gap }
}
