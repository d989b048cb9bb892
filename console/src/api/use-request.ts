/**
 * Reads data of a page from the gateway. States: loading → ready ⇄ failed. While nobody answers, or the gateway is busy,
 * the request is repeated with growing delays, and what was read before stays; any other failure waits for `reload`.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { type Api, useApi } from './api.ts'
import { Backoff } from './backoff.ts'
import { asProblem, type ProblemError } from './problem.ts'

export interface Requested<T> {
  /** The data that was read last, also while it is read again or after a failure. */
  readonly data: T | undefined
  readonly failure: ProblemError | undefined
  readonly isLoading: boolean
  /** When the request is repeated, in milliseconds since 1970; undefined: only by `reload`. */
  readonly retryAt: number | undefined
  reload(): void
}

/** @param deps the request is made again when one of them changes; what was read for others is dropped then. */
export function useRequest<T>(
  load: (api: Api, signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
): Requested<T> {
  const api = useApi()
  const [data, setData] = useState<T>()
  const [failure, setFailure] = useState<ProblemError>()
  const [isLoading, setLoading] = useState(true)
  const [retryAt, setRetryAt] = useState<number>()
  const [round, setRound] = useState(0)
  const backoff = useRef(new Backoff())
  const loader = useRef(load)
  loader.current = load

  useEffect(() => {
    setData(undefined)
    setFailure(undefined)
    backoff.current.reset()
  }, deps)

  useEffect(() => {
    const aborter = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    setLoading(true)
    setRetryAt(undefined)
    loader.current(api, aborter.signal).then(
      read => {
        if (aborter.signal.aborted) return
        backoff.current.reset()
        setData(read)
        setFailure(undefined)
        setLoading(false)
      },
      (error: unknown) => {
        if (aborter.signal.aborted) return
        const problem = asProblem(error)
        setFailure(problem)
        setLoading(false)
        if (!problem.isTemporary) return
        const delay = backoff.current.next(problem.problem.retry_after)
        setRetryAt(Date.now() + delay)
        timer = setTimeout(() => setRound(before => before + 1), delay)
      },
    )
    return () => {
      aborter.abort()
      clearTimeout(timer)
    }
  }, [api, round, ...deps])

  const reload = useCallback(() => setRound(before => before + 1), [])
  return { data, failure, isLoading, retryAt, reload }
}
