/**
 * New events for people who do not look at the list: their number in the title while the tab is hidden, and for screen readers the
 * newest one and the number of others, at most once per pause, so that it does not talk constantly.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { StreamEvent } from '../../stream/stream-client.ts'
import { sentenceOf } from './sentence.ts'

const PAUSE_MS = 3_000

/** @param title of the page. @returns the text for screen readers, and a function to call with new events. */
export function useArrivals(title: string): [string, (events: readonly StreamEvent[]) => void] {
  const [said, setSaid] = useState('')
  const waiting = useRef(0)
  const unread = useRef(0)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)

  useEffect(() => {
    const read = () => {
      unread.current = 0
      document.title = `${title} · Sluice`
    }
    document.addEventListener('visibilitychange', read)
    return () => {
      document.removeEventListener('visibilitychange', read)
      clearTimeout(timer.current)
    }
  }, [title])

  const hear = useCallback(
    (events: readonly StreamEvent[]) => {
      const newest = events.at(-1)
      if (!newest) return
      if (document.hidden) {
        unread.current += events.length
        document.title = `(${unread.current}) ${title} · Sluice`
      }
      waiting.current += events.length
      timer.current ??= setTimeout(() => {
        const { part = '', text } = sentenceOf(newest.type, newest.data)
        const others = waiting.current > 1 ? `, and ${waiting.current - 1} more` : ''
        setSaid(`${newest.type} ${part} ${text}${others}`)
        waiting.current = 0
        timer.current = undefined
      }, PAUSE_MS)
    },
    [title],
  )
  return [said, hear]
}
