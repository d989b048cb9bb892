/** Bugs by which one position or one moment is wrong: as planted-bugs.ts. */
import { END_MS } from './clean-histories.js'
import { edgeClient, opened } from './edge-client.js'
import {
  acked,
  acking,
  cursorAt,
  EDGE,
  edgeBug,
  edgeConsumer,
  faultAt,
  handed,
  held,
  lostEdgeRow,
  positions,
  published,
  rewoundTo,
} from './edge-stream.js'
import type { Entry } from './history.js'
import type { PlantedBug } from './planted-bugs.js'

const OTHER = 'acme/edge-other'
const FIRST_HALF = [edgeConsumer(), held(1, 0, 1), ...handed(1, positions(1, 5))]

export const PLANTED_EDGE_BUGS: readonly PlantedBug[] = [
  edgeBug(
    'a consumer passes over its first event',
    ['gap'],
    [edgeConsumer(), held(1, 0, 1), ...handed(1, positions(2, 10))],
  ),
  edgeBug(
    'a client gets a consumer from an acknowledgement that is not the latest',
    ['consumer-order'],
    [
      ...FIRST_HALF,
      acking(1, 3),
      acked(1, 3, 10),
      acking(2, 5),
      acked(2, 5, 12),
      held(2, 20, 21),
      ...handed(2, positions(4, 10)),
    ],
  ),
  edgeBug(
    'the cursor of a consumer is one event ahead',
    ['consumer-cursor'],
    [...FIRST_HALF, acking(1, 3), cursorAt(4)],
  ),
  edgeBug(
    'an acknowledgement does not move a consumer to the place to which a reset moves it later',
    ['consumer-cursor'],
    [faultAt(0, 'retention'), ...FIRST_HALF, ...notMoved(1, 5), rewoundTo(5), ...handed(1, positions(6, 10))],
  ),
  edgeBug(
    'an acknowledgement moves a consumer behind the reset that it acknowledges',
    ['consumer-cursor'],
    [faultAt(0, 'retention'), ...FIRST_HALF, rewoundTo(6), ...notMoved(1, 6), ...handed(1, positions(7, 10))],
  ),
  edgeBug(
    'a consumer by positions passes over an event because a later one is acknowledged that was not handed out',
    ['gap'],
    [
      { ...edgeConsumer(), isBlind: true } as Entry,
      held(1, 0, 1),
      ...handed(1, positions(1, 5)),
      acking(1, 7),
      ...handed(1, positions(8, 10)),
    ],
  ),
  edgeBug(
    'an event is stored that was rolled back, in a stream that has lost a tail',
    ['undone-stored'],
    [
      faultAt(2, 'lost-tail'),
      ...published('undone', [0, 1], ['undone-0'], 'failed').map(each =>
        each.k === 'outcome' ? { ...each, why: 'rolled back' } : each,
      ),
    ],
    { 1: { mark: 'undone-0' } },
  ),
  edgeBug(
    'a consumer never hands out its last event, and nobody reads its cursor',
    ['incomplete'],
    [edgeConsumer(), held(1, 0, 1), ...handed(1, positions(1, 9))],
  ),
  edgeBug(
    'a compacted event that was acknowledged is handed out again',
    ['consumer-order'],
    [...FIRST_HALF, acking(1, 3), acked(1, 3, 10), held(2, 20, 21), ...handed(2, positions(3, 10))],
    { 3: { changed: true } },
  ),
  edgeBug(
    'a client that has brought nothing is at a place that is none',
    ['cursor-unknown'],
    [
      edgeClient({ from: 'now' }),
      ...opened(1),
      { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'heartbeat', id: 'unknown' },
    ],
  ),
  edgeBug(
    'a client that brings the id of an event gets back a word',
    ['cursor-unknown'],
    [
      edgeClient({ from: 'now' }),
      ...opened(1, '5.eeeeee'),
      { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'heartbeat', id: 'unknown' },
    ],
  ),
  edgeBug(
    'a client that brings the id of an event is refused as one that has made it up',
    ['reset-untrue'],
    [
      faultAt(0, 'forged-id'),
      edgeClient({ from: 'now' }),
      ...opened(1, '5.eeeeee'),
      { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'reset', reason: 'history-lost', id: '10.eeeeee' },
    ],
  ),
  edgeBug(
    'a consumer hands out an event whose id is none',
    ['unstored'],
    [...FIRST_HALF, ...handed(1, positions(6, 10)).map(each => ({ ...each, id: 'strange' }) as Entry)],
  ),
  edgeBug(
    'a consumer hands out the beginning of another history',
    ['unstored'],
    [...FIRST_HALF, { ...handed(1, [6])[0], id: '0.zzzzzz' } as Entry, ...handed(1, positions(6, 10))],
  ),
  edgeBug(
    'an event is lost from a stream that has lost no tail',
    ['acknowledged-lost'],
    [...published('other', [0, 1], ['other-0']), lostEdgeRow(1, { mark: 'other-0' })],
  ),
  edgeBug(
    'a tail is lost with a part of a transaction',
    ['half-stored'],
    [
      {
        k: 'started',
        t: END_MS,
        publish: 'half',
        events: [
          { stream: EDGE, mark: 'half-0' },
          { stream: OTHER, mark: 'half-1' },
        ],
      },
      { k: 'outcome', t: END_MS + 1, publish: 'half', outcome: 'acknowledged' },
      faultAt(2, 'lost-tail', OTHER),
      { ...lostEdgeRow(1, { mark: 'half-1' }), stream: OTHER },
    ],
    { 1: { mark: 'half-0' } },
  ),
  edgeBug(
    'an acknowledged event stands after two others, the first of which began later',
    ['acknowledged-order'],
    [
      ...published('latest', [10, 12], ['latest-0']),
      ...published('long', [1, 20], ['long-0']),
      ...published('early', [2, 5], ['early-0']),
    ],
    { 1: { mark: 'latest-0' }, 2: { mark: 'long-0' }, 3: { mark: 'early-0' } },
  ),
]

/** It is acknowledged, and the cursor stands before it. */
function notMoved(a: number, position: number): Entry[] {
  return [acking(a, position), { ...acked(a, position - 1, 5), a } as Entry]
}
