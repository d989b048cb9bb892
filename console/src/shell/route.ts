/**
 * The place in the console, in the part of the address after `#`: `#/feed/10532.k7f3qa?types=item.*` is the event 10532 in a
 * filtered feed. The gateway never sees it, so it works under every prefix, and a link opens the same place anywhere.
 */
import { useEffect, useState } from 'preact/hooks'

export interface Route {
  /** The name of the page: the first part of the path, or '' for the first page. */
  readonly page: string
  /** The other parts, decoded: `['10532.k7f3qa']`. */
  readonly rest: readonly string[]
  readonly query: URLSearchParams
}

/** The properties of the component of a page. */
export interface PageProps {
  readonly route: Route
}

type Query = Readonly<Record<string, string | undefined>>

const listeners = new Set<() => void>()
addEventListener('hashchange', () => notify())

/** The current place; the component renders again whenever it changes. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const read = () => setHash(location.hash)
    listeners.add(read)
    read()
    return () => {
      listeners.delete(read)
    }
  }, [])
  return parseRoute(hash)
}

/** The address of a place, for `href`: `hrefOf('feed', [id], { stream })`. Undefined and empty values of `query` are left out. */
export function hrefOf(page: string, rest: readonly string[] = [], query: Query = {}): string {
  const path = [page, ...rest].map(encodeURIComponent).join('/')
  const given = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []))
  const text = new URLSearchParams(given).toString()
  return `#/${path}${text && `?${text}`}`
}

/** @param replace the back button then skips the place before: for what changes while somebody types. */
export function navigate(href: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, '', href)
    notify()
  } else location.hash = href
}

function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [page = '', ...rest] = path.split('/').map(decode)
  return { page, rest: rest.filter(part => part !== ''), query: new URLSearchParams(query) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function notify(): void {
  for (const listener of listeners) listener()
}
