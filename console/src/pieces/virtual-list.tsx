/**
 * A list of any length, of which only the rows in sight are in the page. All rows have the same height, given in CSS by
 * `--row-height`. The rows are links: Tab enters the list, the arrow keys, Page Up and Down, Home and End move in it.
 */
import type { ComponentChildren } from 'preact'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface VirtualListProps {
  readonly count: number
  /** The name of the list, for screen readers. */
  readonly label: string
  /** Identifies the row, so that it stays the same when others come before it. */
  readonly keyOf: (index: number) => string | number
  /** The content of a row. */
  readonly row: (index: number) => ComponentChildren
  /** Undefined for a row that opens nothing. */
  readonly hrefOf: (index: number) => string | undefined
  /** The row that is shown elsewhere in detail; -1: none. */
  readonly selected?: number
  /** Scrolled to when it changes; -1: none. */
  readonly reveal?: number
  /** Called when somebody scrolls away from the first row, and back to it. */
  readonly onAtTop?: (isAtTop: boolean) => void
  /** After the last row. */
  readonly footer?: ComponentChildren
}

/** Rows beyond each edge, so that scrolling shows no gap. */
const BEYOND = 8
const DEFAULT_HEIGHT = 44

export function VirtualList(props: VirtualListProps) {
  const { count, label, keyOf, row, hrefOf, selected = -1, reveal = -1, onAtTop, footer } = props
  const list = useRef<HTMLUListElement>(null)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(600)
  const [rowHeight, setRowHeight] = useState(DEFAULT_HEIGHT)
  const [active, setActive] = useState(-1)
  const isAtTop = useRef(true)

  const onScroll = useCallback(() => {
    const scrolled = list.current?.scrollTop ?? 0
    setTop(scrolled)
    if (scrolled < 2 === isAtTop.current) return
    isAtTop.current = scrolled < 2
    onAtTop?.(isAtTop.current)
  }, [onAtTop])

  useLayoutEffect(() => {
    const element = list.current
    if (!element) return
    const measure = () => {
      setHeight(element.clientHeight)
      setRowHeight(
        Number.parseFloat(getComputedStyle(element).getPropertyValue('--row-height')) || DEFAULT_HEIGHT,
      )
    }
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  useEffect(() => {
    if (reveal < 0 || !list.current) return
    list.current.scrollTop = Math.max(0, reveal * rowHeight - list.current.clientHeight / 3)
  }, [reveal, rowHeight])

  // A list that has become shorter is no longer scrolled as far as it was.
  const topmost = Math.min(Math.floor(top / rowHeight), count - Math.ceil(height / rowHeight))
  const first = Math.max(0, topmost - BEYOND)
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + BEYOND)
  /** The one row that Tab reaches. */
  const reachable =
    active >= first && active < last ? active : Math.min(count - 1, Math.ceil(top / rowHeight))

  const move = (index: number) => {
    const to = Math.max(0, Math.min(count - 1, index))
    setActive(to)
    const element = list.current
    if (!element) return
    const start = to * rowHeight
    if (start < element.scrollTop) element.scrollTop = start
    if (start + rowHeight > element.scrollTop + height) element.scrollTop = start + rowHeight - height
    const row = () => element.querySelector<HTMLElement>(`[data-index="${to}"]`)
    // A row far away is in the page only after the next rendering.
    if (row()) row()?.focus()
    else requestAnimationFrame(() => row()?.focus())
  }

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / rowHeight) - 1)
    const steps: Record<string, number> = {
      ArrowDown: reachable + 1,
      ArrowUp: reachable - 1,
      PageDown: reachable + page,
      PageUp: reachable - page,
      Home: 0,
      End: count - 1,
    }
    const to = steps[event.key]
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    move(to)
  }

  const indexes = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at)
  const linkOf = (index: number) => {
    const href = hrefOf(index)
    return {
      class: 'row-link',
      'data-index': index,
      tabIndex: index === reachable ? 0 : -1,
      onFocus: () => setActive(index),
      ...(index === selected && { 'aria-current': 'true' as const }),
      ...(href !== undefined && { href }),
    }
  }
  return (
    <ul ref={list} class="rows card virtual" aria-label={label} onScroll={onScroll} onKeyDown={onKeyDown}>
      <li class="spacer" aria-hidden="true" style={{ height: `${first * rowHeight}px` }} />
      {indexes.map(index => (
        <li key={keyOf(index)} aria-setsize={count} aria-posinset={index + 1}>
          <a {...linkOf(index)}>{row(index)}</a>
        </li>
      ))}
      <li
        class="spacer"
        aria-hidden="true"
        style={{ height: `${Math.max(0, count - last) * rowHeight}px` }}
      />
      {footer && <li class="footer">{footer}</li>}
    </ul>
  )
}
