/**
 * Shows a terminal: only the rows in sight are in the page, so 200,000 rows cost as little as 20. It follows the newest row until
 * somebody scrolls up, and again from the last row on. The arrow keys, Page Up and Down, Home and End scroll it.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { partsOf } from './parts.ts'
import type { Terminal, TerminalRow } from './terminal.ts'
import './terminal.css'

export interface TerminalViewProps {
  readonly terminal: Terminal
  /** Changes whenever the terminal does. */
  readonly version: number
  readonly label: string
  readonly isFollowing: boolean
  readonly onFollow: (isFollowing: boolean) => void
  /** The text that is searched for. */
  readonly wanted: string
  /** Scrolled to when it changes: a row, counted from the first that ever was. */
  readonly reveal: number | undefined
}

const BEYOND = 20
const DEFAULT_HEIGHT = 20

export function TerminalView(props: TerminalViewProps) {
  const { terminal, version, label, isFollowing, onFollow, wanted, reveal } = props
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 480, row: DEFAULT_HEIGHT })
  const dropped = useRef(terminal.dropped)

  const read = () => {
    const element = box.current
    if (!element) return
    const row = Number.parseFloat(getComputedStyle(element).lineHeight) || DEFAULT_HEIGHT
    setView({ top: element.scrollTop, height: element.clientHeight, row })
  }
  useLayoutEffect(() => {
    if (!box.current) return
    read()
    const observer = new ResizeObserver(read)
    observer.observe(box.current)
    return () => observer.disconnect()
  }, [])

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    if (isFollowing) element.scrollTop = element.scrollHeight
    // The rows in sight stay in their place when rows above them are dropped.
    else element.scrollTop -= (terminal.dropped - dropped.current) * view.row
    dropped.current = terminal.dropped
    read()
  }, [version, isFollowing, terminal])

  useEffect(() => {
    const element = box.current
    if (!element || reveal === undefined) return
    element.scrollTop = (reveal - terminal.dropped) * view.row - element.clientHeight / 3
  }, [reveal])

  const onScroll = () => {
    const element = box.current
    if (!element) return
    read()
    const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - view.row
    // Scrolling up lets go; new rows below the edge do not.
    if (isAtEnd !== isFollowing && (isAtEnd || element.scrollTop < view.top)) onFollow(isAtEnd)
  }

  const first = Math.max(0, Math.floor(view.top / view.row) - BEYOND)
  const last = Math.min(terminal.length, Math.ceil((view.top + view.height) / view.row) + BEYOND)
  const rows = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at)
  return (
    <div
      ref={box}
      class="terminal"
      role="log"
      aria-live="off"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
      tabIndex={0}
      onScroll={onScroll}
    >
      <div class="terminal-rows" style={{ height: `${terminal.length * view.row}px` }}>
        <div class="terminal-sight" style={{ transform: `translateY(${first * view.row}px)` }}>
          {rows.map(index => {
            const row = terminal.row(index)
            const number = terminal.dropped + index
            return (
              row && <TerminalLine key={number} row={row} wanted={wanted} isRevealed={reveal === number} />
            )
          })}
        </div>
      </div>
    </div>
  )
}

interface LineProps {
  readonly row: TerminalRow
  readonly wanted: string
  readonly isRevealed: boolean
}

function TerminalLine({ row, wanted, isRevealed }: LineProps) {
  return (
    <div class={isRevealed ? 'line revealed' : 'line'} data-source={row.source}>
      <span class="gutter" aria-hidden="true" data-number={row.continues ? '⋯' : row.line} />
      {row.source === 'stderr' && <span class="unseen">stderr: </span>}
      <span class="line-text">
        {partsOf(row, wanted).map(({ text, classes, isFound }, at) => {
          const key = `${at}`
          if (isFound) return <mark key={key}>{text}</mark>
          return classes === '' ? (
            text
          ) : (
            <span key={key} class={classes}>
              {text}
            </span>
          )
        })}
      </span>
    </div>
  )
}
