/** The last hour, kept up to date. After a failure what was read stays, and it is tried again. */
import { useEffect, useState } from 'preact/hooks'
import { useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { type Recent, withNewer } from './recent.ts'

const FIRST_RETRY_MS = 2_000

export interface RecentState {
  readonly recent: Recent | undefined
  readonly failure: ProblemError | undefined
  /** When it is tried again, in milliseconds since 1970. */
  readonly retryAt: number | undefined
}

export function useRecent(): RecentState {
  const api = useApi()
  const [state, setState] = useState<RecentState>({
    recent: undefined,
    failure: undefined,
    retryAt: undefined,
  })

  useEffect(() => {
    const aborter = new AbortController()
    const { signal } = aborter
    let timer: ReturnType<typeof setTimeout> | undefined
    let known: Recent | undefined
    const read = async () => {
      try {
        const after = known?.samples.at(-1)?.at
        known = withNewer(known, await api.get<Recent>('api/server/metrics', { query: { after }, signal }))
        setState({ recent: known, failure: undefined, retryAt: undefined })
        timer = setTimeout(read, known.every_ms)
      } catch (error) {
        if (signal.aborted) return
        const failure = asProblem(error)
        const delay = failure.isTemporary
          ? Math.max(FIRST_RETRY_MS, 1_000 * (failure.problem.retry_after ?? 0))
          : undefined
        setState({ recent: known, failure, retryAt: delay && Date.now() + delay })
        if (delay !== undefined) timer = setTimeout(read, delay)
      }
    }
    void read()
    return () => {
      aborter.abort()
      clearTimeout(timer)
    }
  }, [api])
  return state
}
