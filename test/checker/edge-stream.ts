/** A short stream that is written by hand, its consumer and its publishers: for histories in which one position or one moment decides. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import type { Entry, EntryOf } from './history.js'
import type { PlantedBug } from './planted-bugs.js'

export const EDGE = 'acme/edge'
export const EDGE_EVENTS = 10
const CONSUMER = 'acme/edge'

type Row = EntryOf<'row'>

/** By position, what a row has instead. */
type Changed = Readonly<Record<number, Partial<Row>>>

/** Lines that are appended to a history, with the stream. */
export function cleanEdge(name: string, lines: readonly Entry[], changed?: Changed): CleanHistory {
  return { name, make: history => [...history, ...edgeStream(changed), ...lines] }
}

/** Lines with a bug that are appended to a history, with the stream. */
export function edgeBug(
  name: string,
  rules: PlantedBug['rules'],
  lines: readonly Entry[],
  changed?: Changed,
): PlantedBug {
  return { name, rules, plant: history => [...history, ...edgeStream(changed), ...lines] }
}

export function edgeStream(changed: Changed = {}): Entry[] {
  const rows = positions(1, EDGE_EVENTS).map(position => ({ ...edgeRow(position), ...changed[position] }))
  return [{ k: 'log', stream: EDGE, base: '0.aaaaaa' }, ...rows]
}

export function edgeRow(position: number): Row {
  const hash = `${position}`.padStart(12, '0')
  return { k: 'row', stream: EDGE, id: idOf(position), type: 'note', h: { sse: hash, ndjson: hash } }
}

/** An event that stood at a position before a failover. */
export function lostEdgeRow(position: number, more: Partial<Row> = {}): Row {
  return {
    ...edgeRow(position),
    id: `${position}.ffffff`,
    after: idOf(position - 1, 'eeeeee'),
    lost: true,
    ...more,
  }
}

export function idOf(position: number, check = position === 0 ? 'aaaaaa' : 'eeeeee'): string {
  return `${position}.${check}`
}

/** Both are included. */
export function positions(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

/** With all marks in the stream. @param times when it began, and when it was answered. */
export function published(
  publish: string,
  [started, answered]: readonly [number, number],
  marks: readonly string[],
  outcome: EntryOf<'outcome'>['outcome'] = 'acknowledged',
): Entry[] {
  const events = marks.map(mark => ({ stream: EDGE, mark }))
  return [
    { k: 'started', t: END_MS + started, publish, events },
    { k: 'outcome', t: END_MS + answered, publish, outcome },
  ]
}

/** The lines of its consumer. Times are counted from the end of the run. */
export function edgeConsumer(maxInFlight = 100): Entry {
  return { k: 'consumer', consumer: CONSUMER, stream: EDGE, form: 'ndjson', start: idOf(0), maxInFlight }
}

/** @param epoch default: as the number of the holding; the holder has the name of the epoch. */
export function held(n: number, asked: number, t: number, epoch = n): Entry {
  const at = { t: END_MS + t, consumer: CONSUMER }
  return { k: 'held', ...at, n, holder: `holder ${epoch}`, epoch, asked: END_MS + asked }
}

export function handed(n: number, places: readonly number[]): Entry[] {
  return places.map(position => {
    const { id, type, h } = edgeRow(position)
    return { k: 'handed', t: END_MS, consumer: CONSUMER, n, id, type, h: h.ndjson ?? '' }
  })
}

export function acking(a: number, position: number, epoch = 1): Entry {
  return { k: 'acking', t: END_MS, consumer: CONSUMER, a, epoch, id: idOf(position) }
}

/** The answer to an acknowledgement. */
export function acked(a: number, position: number, t: number): Entry {
  return { k: 'acked', t: END_MS + t, consumer: CONSUMER, a, status: 200, cursor: idOf(position) }
}

export function cursorAt(position: number): Entry {
  return { k: 'cursor', t: END_MS, consumer: CONSUMER, position }
}

export function rewoundTo(position: number): Entry {
  return { k: 'rewound', t: END_MS + 1, consumer: CONSUMER, reason: 'retention', head: idOf(position) }
}

export function faultAt(t: number, fault: string, stream: string = EDGE): Entry {
  return { k: 'fault', t: END_MS + t, fault, stream }
}
