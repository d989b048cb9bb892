/** The rows of a terminal that contain a text, kept up to date while the output grows: each row is searched once. */
import { useRef } from 'preact/hooks'
import type { Terminal } from '../../terminal/terminal.ts'

interface Search {
  readonly terminal: Terminal
  readonly wanted: string
  /** Rows are counted from the first that ever was. */
  found: readonly number[]
  searched: number
}

export function useSearch(terminal: Terminal, wanted: string): readonly number[] {
  const search = useRef<Search>({ terminal, wanted: '', found: [], searched: 0 })
  if (search.current.terminal !== terminal || search.current.wanted !== wanted) {
    search.current = { terminal, wanted, found: [], searched: 0 }
  }
  const { current } = search
  const { dropped, length } = terminal
  const more = terminal.find(wanted, Math.max(0, current.searched - dropped)).map(index => index + dropped)
  const isCut = (current.found[0] ?? dropped) < dropped
  if (more.length > 0 || isCut) {
    current.found = [...current.found.filter(row => row >= dropped), ...more]
  }
  current.searched = dropped + length
  return current.found
}
