/** Histories in which one position or one moment less would be a fault: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import {
  acked,
  acking,
  cleanEdge,
  EDGE,
  edgeConsumer,
  edgeRow,
  edgeStream,
  faultAt,
  handed,
  held,
  lostEdgeRow,
  positions,
  published,
  rewoundTo,
} from './edge-stream.js'
import type { Entry } from './history.js'

const ALL = positions(1, 10)
const OTHER = 'acme/edge-other'
const AS_OF_JOB = { stream: 'acme/job:edge', type: 'job.completed' }

export const CLEAN_EDGE_HISTORIES: readonly CleanHistory[] = [
  cleanEdge('a client asks for a consumer at the moment at which an acknowledgement is answered', [
    ...consumed(1, [1, 2, 3]),
    acking(1, 3),
    acked(1, 3, 10),
    held(2, 10, 11),
    ...handed(2, ALL),
  ]),
  cleanEdge('a client asks for a consumer while an acknowledgement is under way', [
    ...consumed(1, [1, 2, 3]),
    acking(1, 3),
    held(2, 10, 11),
    acked(1, 3, 12),
    ...handed(2, positions(4, 10)),
  ]),
  cleanEdge('a client learns late that it held a consumer, which another one has meanwhile', [
    edgeConsumer(),
    held(1, 5, 10, 2),
    held(2, 10, 12, 1),
    ...handed(1, ALL),
  ]),
  cleanEdge('a client comes back in its epoch of a consumer', [
    ...consumed(1, [1, 2, 3]),
    held(2, 20, 21, 1),
    ...handed(2, ALL),
  ]),
  cleanEdge('the last holder of a consumer gets an event again, and no more', [
    ...consumed(1, ALL),
    held(2, 10, 11),
    ...handed(2, [1]),
  ]),
  cleanEdge('a consumer continues behind a reset before that is acknowledged', [
    faultAt(0, 'retention'),
    ...consumed(1, [1]),
    rewoundTo(5),
    ...handed(1, positions(6, 10)),
  ]),
  cleanEdge('a lost tail takes an acknowledgement', [
    ...consumed(1, positions(1, 5)),
    acking(1, 5),
    acked(1, 5, 10),
    faultAt(11, 'lost-tail'),
    held(2, 20, 21),
    ...handed(2, positions(3, 10)),
  ]),
  cleanEdge('as much is in flight as may be, and an event of it comes twice', [
    edgeConsumer(3),
    held(1, 0, 1),
    ...handed(1, [1, 1, 2, 3]),
    acking(1, 1),
    ...handed(1, [4]),
    acking(2, 4),
    ...handed(1, [5, 6, 7]),
    acking(3, 7),
    ...handed(1, [8, 9, 10]),
  ]),
  cleanEdge(
    'an outcome is not known, and the event stands after one that began later',
    [...published('later', [10, 12], ['later-0']), ...published('early', [1, 5], ['early-0'], 'unknown')],
    { 1: { mark: 'later-0' }, 2: { mark: 'early-0' } },
  ),
  cleanEdge(
    'a publish begins at the moment at which another one is answered, and stands before it',
    [...published('later', [10, 12], ['later-0']), ...published('early', [5, 10], ['early-0'])],
    { 1: { mark: 'later-0' }, 2: { mark: 'early-0' } },
  ),
  cleanEdge(
    'a lost event is published again, with the rest of its transaction',
    [
      ...published('again', [0, 1], ['again-0', 'again-1']),
      faultAt(2, 'lost-tail'),
      lostEdgeRow(1, { mark: 'again-0' }),
    ],
    { 1: { mark: 'again-0' }, 2: { mark: 'again-1' } },
  ),
  cleanEdge(
    'a publisher is killed, and a part of its transaction was in a stream that is created anew',
    [startedInTwo('killed'), faultAt(1, 'recreated', OTHER)],
    { 1: { mark: 'killed-0' } },
  ),
  cleanEdge(
    'a part of a transaction was lost with a tail of a stream that is created anew',
    [
      startedInTwo('half'),
      { k: 'outcome', t: END_MS + 1, publish: 'half', outcome: 'acknowledged' },
      faultAt(2, 'lost-tail', OTHER),
      faultAt(3, 'recreated', OTHER),
      { ...lostEdgeRow(1, { mark: 'half-1' }), stream: OTHER },
    ],
    { 1: { mark: 'half-0' } },
  ),
  { name: 'a tail is lost, and nobody has recorded it', make: withUnrecordedTail },
  { name: 'the lost events stand before the table', make: withEarlyLosses },
  cleanEdge(
    'an event was recorded before retention, which left it',
    [{ ...edgeRow(3), removed: true, mark: 'left-0' }, ...published('left', [0, 1], ['left-0'])],
    { 3: { mark: 'left-0' } },
  ),
  cleanEdge('the end of a job is lost, and it ends again', [
    { k: 'log', stream: AS_OF_JOB.stream, base: '0.aaaaaa', terminal: ['job.completed'] },
    ...['job.created', 'job.started', 'job.completed'].map((type, n) => ({
      ...edgeRow(n + 1),
      ...AS_OF_JOB,
      type,
    })),
    lostEdgeRow(3, AS_OF_JOB),
    { ...edgeRow(3), ...AS_OF_JOB, removed: true },
  ]),
  cleanEdge('a parallel webhook gets a reset to a place before an event that was accepted', [
    faultAt(0, 'retention'),
    { k: 'webhook', webhook: 'acme/edge', stream: EDGE, form: 'ndjson', start: '0.aaaaaa', isOrdered: false },
    ...positions(6, 10).flatMap(accepted),
    { k: 'redirected', t: END_MS, webhook: 'acme/edge', reason: 'retention', after: '5.eeeeee' },
  ]),
  cleanEdge('a process uses as much as it may', [
    { k: 'sample', t: END_MS, process: 'full', phase: 'load', measures: { rss: 512 } },
  ]),
  cleanEdge('a fault lasts long, and clients are refused all the time', [
    { k: 'fault', t: END_MS, fault: 'postgres-stopped' },
    { k: 'client', client: 'edge', stream: EDGE, form: 'sse', from: 'now' },
    { k: 'open', t: END_MS, c: 'edge', n: 1 },
    { k: 'status', t: END_MS + 60_000, c: 'edge', n: 1, status: 503 },
    { k: 'close', t: END_MS + 60_000, c: 'edge', n: 1, by: 'server' },
    { k: 'left', t: END_MS + 60_000, c: 'edge' },
    { k: 'healed', t: END_MS + 70_000, fault: 'postgres-stopped' },
  ]),
  { name: 'nothing was planned', make: withoutPlan },
  { name: 'the run ends before all is quiet', make: withoutEnd },
]

function consumed(n: number, places: readonly number[]): Entry[] {
  return [edgeConsumer(), held(n, 0, 1), ...handed(n, places)]
}

function accepted(position: number): Entry[] {
  const { id, type, h } = edgeRow(position)
  const at = { t: END_MS, webhook: 'acme/edge', d: position }
  return [
    { k: 'delivery', ...at, id, type, h: h.ndjson ?? '', isSigned: true },
    { k: 'accepted', ...at },
  ]
}

/** Of one event in each of two streams. */
function startedInTwo(publish: string): Entry {
  const events = [
    { stream: EDGE, mark: `${publish}-0` },
    { stream: OTHER, mark: `${publish}-1` },
  ]
  return { k: 'started', t: END_MS, publish, events }
}

/** The clients of the stream with the lost tail have seen it. */
function withUnrecordedTail(history: readonly Entry[]): Entry[] {
  const saw = new Set(
    history.flatMap(each => (each.k === 'client' && each.stream === 'acme/orders' ? [each.client] : [])),
  )
  const ofThem = (each: Entry) =>
    (each.k === 'client' && saw.has(each.client)) || ('c' in each && saw.has(each.c))
  return [
    ...history.filter(each => !ofThem(each) && !(each.k === 'row' && each.lost)),
    ...edgeStream({ 1: { mark: 'half-0' } }),
    startedInTwo('half'),
    { k: 'outcome', t: END_MS + 1, publish: 'half', outcome: 'acknowledged' },
    faultAt(2, 'lost-tail', OTHER),
  ]
}

function withEarlyLosses(history: readonly Entry[]): Entry[] {
  const [header, ...rest] = history
  const isLost = (each: Entry) => each.k === 'row' && each.lost === true
  return header ? [header, ...rest.filter(isLost), ...rest.filter(each => !isLost(each))] : []
}

function withoutPlan(history: readonly Entry[]): Entry[] {
  return history.map(each => (each.k === 'history' ? { k: 'history', version: 1, seed: each.seed } : each))
}

function withoutEnd(history: readonly Entry[]): Entry[] {
  const last = history.findLastIndex(each => each.k === 'frame' && each.c === 'c0')
  const notices = history.filter((each, at) => at > last && each.k === 'notice' && each.c === 'c0')
  return history.filter((each, at) => at !== last && each.k !== 'quiet' && !notices.includes(each))
}
