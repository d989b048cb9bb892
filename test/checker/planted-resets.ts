/** Bugs of resets, and of the first place that a client gets: as planted-bugs.ts. */
import { END_MS } from './clean-histories.js'
import { alone, edgeClient, got, LEFT, opened, told, wasReset } from './edge-client.js'
import { edgeBug, edgeRow, faultAt, lostEdgeRow, positions } from './edge-stream.js'
import type { PlantedBug } from './planted-bugs.js'

/** No stored event has its bytes. */
const LOST_BYTES = lostEdgeRow(6, { h: { sse: 'cccccccccccc' } })

export const PLANTED_RESETS: readonly PlantedBug[] = [
  edgeBug(
    'a client that has nothing gets a reset',
    ['reset-untrue'],
    [faultAt(0, 'recreated'), edgeClient({ from: 'now' }), ...opened(1), wasReset(1, 'history-lost', 10, 1)],
  ),
  edgeBug(
    'a client that has nothing gets a reset while two nodes are writable',
    ['reset-untrue'],
    [
      faultAt(0, 'two-writable'),
      edgeClient({ from: 'now' }),
      ...opened(1),
      wasReset(1, 'history-lost', 10, 1),
    ],
  ),
  edgeBug(
    'a client that has nothing gets a reset for retention',
    ['reset-untrue'],
    [faultAt(0, 'retention'), edgeClient({ from: 'now' }), ...opened(1), wasReset(1, 'retention', 10, 1)],
  ),
  edgeBug(
    'a client that has brought no id gets a reset for an unknown one',
    ['reset-untrue'],
    [faultAt(0, 'forged-id'), edgeClient({ from: 'now' }), ...opened(1), wasReset(1, 'unknown-id', 10, 1)],
  ),
  edgeBug(
    'a client that gets positions alone goes on behind a lost event',
    ['silent-loss'],
    [
      faultAt(0, 'lost-tail'),
      LOST_BYTES,
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 5), LOST_BYTES, ...positions(7, 10)].map(alone)),
    ],
  ),
  edgeBug(
    'a client that gets positions alone goes on behind a lost event with bytes that were lost later, too',
    ['silent-loss'],
    [
      faultAt(0, 'lost-tail'),
      LOST_BYTES,
      lostEdgeRow(7, { after: LOST_BYTES.id, h: { sse: 'dddddddddddd' } }),
      lostEdgeRow(8, { after: '7.ffffff' }),
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 5), LOST_BYTES, 8].map(alone)),
      LEFT,
    ],
  ),
  edgeBug(
    'a reset has a word in the place of an id',
    ['cursor-missing'],
    [
      faultAt(0, 'forged-id'),
      edgeClient({ from: 'now' }),
      ...opened(1, '11'),
      { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'reset', reason: 'unknown-id', id: 'unknown' },
      LEFT,
    ],
  ),
  edgeBug(
    'a reset has the id of no event',
    ['cursor-unknown'],
    [
      faultAt(0, 'forged-id'),
      edgeClient({ from: 'now' }),
      ...opened(1, '11'),
      { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'reset', reason: 'unknown-id', id: '9.zzzzzz' },
      ...got(1, [10]),
    ],
  ),
  edgeBug(
    'an event comes again that was passed over before a reset, and came after it',
    ['doubled'],
    [
      faultAt(0, 'two-writable'),
      edgeClient(),
      ...opened(1),
      ...got(1, [1, 2, 4]),
      wasReset(1, 'history-lost', 2),
      ...got(1, [...positions(3, 10), 3]),
    ],
  ),
  edgeBug(
    'the first place of a client from the beginning is after the first event',
    ['gap'],
    [edgeClient(), ...opened(1), told(1, 'server.state', 1), ...got(1, positions(2, 10))],
  ),
  edgeBug(
    'a client gets an event whose id is none',
    ['unstored'],
    [edgeClient(), ...opened(1), ...got(1, [...positions(1, 9), { ...edgeRow(10), id: 'strange' }, 10])],
  ),
]
