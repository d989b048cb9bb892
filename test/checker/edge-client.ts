/** The lines of a client of the short stream (edge-stream.ts). Times are counted from the end of the run. */
import { END_MS } from './clean-histories.js'
import { EDGE, edgeRow, edgeStream, idOf, positions } from './edge-stream.js'
import type { Entry, EntryOf } from './history.js'

const CLIENT = 'edge'
/** No fault explains anything so long after the run. */
const CALM_MS = 600_000
type Row = EntryOf<'row'>

export function edgeClient(more: Partial<EntryOf<'client'>> = {}): Entry {
  return { k: 'client', client: CLIENT, stream: EDGE, form: 'sse', from: 'beginning', ...more }
}

/** It is answered with 200 at once. */
export function opened(n: number, id?: string, t = 0): Entry[] {
  const at = { t: END_MS + t, c: CLIENT, n }
  return [
    { k: 'open', ...at, ...(id !== undefined && { id }) },
    { k: 'status', ...at, status: 200 },
  ]
}

/** It is answered with another status, and closed at once. */
export function refused(n: number, status: number, t = 0, id?: string): Entry[] {
  const at = { t: END_MS + t, c: CLIENT, n }
  return [
    { k: 'open', ...at, ...(id !== undefined && { id }) },
    { k: 'status', ...at, status },
    { k: 'close', ...at, by: 'server' },
  ]
}

/** It comes long after all faults, is refused for a limit of its own, and comes back. */
export function limited(isLimit: boolean, status = 503): Entry[] {
  const refusal = refused(2, status, CALM_MS, idOf(5)).map(
    (each): Entry => (each.k === 'status' && isLimit ? { ...each, isLimit } : each),
  )
  return [
    edgeClient(),
    ...opened(1),
    ...got(1, positions(1, 5)),
    closed(1, 'client'),
    ...refusal,
    ...opened(3, idOf(5), CALM_MS + 10),
    ...got(3, positions(6, 10), CALM_MS + 10),
  ]
}

/** Events by their positions, or as they are. */
export function got(n: number, events: readonly (number | Row)[], t = 0): Entry[] {
  return events
    .map(each => (typeof each === 'number' ? edgeRow(each) : each))
    .map(({ id, type, h }) => ({ k: 'frame', t: END_MS + t, c: CLIENT, n, id, type, h: h.sse ?? '' }))
}

export function told(n: number, name: string, position: number, id: string = idOf(position)): Entry {
  return { k: 'notice', t: END_MS, c: CLIENT, n, name, id }
}

/** Without an id. */
export function untold(n: number, name: string): Entry {
  return { k: 'notice', t: END_MS, c: CLIENT, n, name }
}

export function wasReset(n: number, reason: string, position: number, t = 0): Entry {
  return { k: 'notice', t: END_MS + t, c: CLIENT, n, name: 'reset', reason, id: idOf(position) }
}

export function closed(n: number, by: EntryOf<'close'>['by'], t = 0): Entry {
  return { k: 'close', t: END_MS + t, c: CLIENT, n, by }
}

export const LEFT: Entry = { k: 'left', t: END_MS, c: CLIENT }

/** An event as it comes to a client that gets positions only. */
export function alone(event: number | Row): Row {
  const row = typeof event === 'number' ? edgeRow(event) : event
  return { ...row, id: `${Number.parseInt(row.id, 10)}` }
}

export function removed(places: readonly number[]): Row[] {
  return places.map(position => ({ ...edgeRow(position), removed: true }))
}

/** The stream whose beginning retention has removed. */
export function leftAfter(base: number): Entry[] {
  return edgeStream()
    .filter(each => each.k !== 'row' || Number.parseInt(each.id, 10) > base)
    .map(each => (each.k === 'log' ? { ...each, base: idOf(base) } : each))
}

/** Nobody recorded the two events between. @param frames of a client; default: all. */
export function twiceRemoved(
  history: readonly Entry[],
  first: Partial<Row> = {},
  frames: readonly Entry[] = got(1, positions(1, 10)),
): Entry[] {
  return [
    ...history,
    ...removed([1, 2]).map(row => ({ ...row, ...first })),
    ...removed([5, 6]),
    ...leftAfter(6),
    edgeClient(),
    ...opened(1),
    ...frames,
  ]
}

/** A stream with an end. */
export const ended = {
  stream: 'acme/job:ended',
  rows: ['job.created', 'job.cancelled'].map((type, n) => ({
    ...edgeRow(n + 1),
    type,
    stream: 'acme/job:ended',
  })),
} as const
export const ENDED: readonly Entry[] = [
  { k: 'log', stream: ended.stream, base: idOf(0), terminal: ['job.cancelled'] },
  ...ended.rows,
]
