/** Calls back when the feed has new events, for lists that are read again: once for all events of PAUSE_MS. */
import { useEffect, useRef } from 'preact/hooks'
import { useApi } from '../api/api.ts'
import { followStream } from './stream-client.ts'

const PAUSE_MS = 500

/** @param types of the events, as in the filter of the feed. */
export function useChanges(types: string, onChange: () => void): void {
  const api = useApi()
  const latest = useRef(onChange)
  latest.current = onChange
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const change = () => {
      timer ??= setTimeout(() => {
        timer = undefined
        latest.current()
      }, PAUSE_MS)
    }
    const stream = followStream({
      api,
      path: 'api/events',
      query: { types, from: 'now' },
      onEvents: change,
      onState: () => {},
      // What is missing may have changed the list too.
      onReset: change,
    })
    return () => {
      stream.close()
      clearTimeout(timer)
    }
  }, [api, types])
}
