/** A list of the gateway, page by page. A reload reads as many pages as are shown, so that nobody loses the place. */
import { useEffect, useState } from 'preact/hooks'
import type { Query } from './api.ts'
import { type Requested, useRequest } from './use-request.ts'

interface Page {
  /** Missing in a list of one page. */
  readonly next_cursor?: string | null
}

export interface Pages<T> extends Requested<readonly T[]> {
  readonly hasMore: boolean
  /** Reads one more page. */
  more(): void
}

const PAGE = 100

/** @param entriesIn the entries of one page, such as `page => page.keys`. */
export function usePages<P extends Page, T>(
  path: string,
  query: Query,
  entriesIn: (page: P) => readonly T[],
): Pages<T> {
  const key = JSON.stringify(query)
  const [count, setCount] = useState(1)
  const [hasMore, setHasMore] = useState(false)
  useEffect(() => setCount(1), [path, key])
  const requested = useRequest(
    async (api, signal) => {
      const entries: T[] = []
      let cursor: string | null = ''
      for (let page = 0; page < count && cursor !== null; page += 1) {
        const read: P = await api.get<P>(path, { query: { limit: PAGE, ...query, cursor }, signal })
        entries.push(...entriesIn(read))
        cursor = read.next_cursor ?? null
      }
      setHasMore(cursor !== null)
      return entries
    },
    [path, key],
  )
  const more = () => {
    setCount(count + 1)
    requested.reload()
  }
  return { ...requested, hasMore, more }
}
