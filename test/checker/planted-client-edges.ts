/** Bugs by which a client is wrong by one position or one moment: as planted-bugs.ts. */
import { alone, edgeClient, got, limited, opened, told, twiceRemoved, wasReset } from './edge-client.js'
import { edgeBug, edgeRow, faultAt, idOf, lostEdgeRow, positions } from './edge-stream.js'
import type { Entry, EntryOf } from './history.js'
import type { PlantedBug } from './planted-bugs.js'

type Row = EntryOf<'row'>

const TAIL = faultAt(0, 'lost-tail')
/** After position 5 of the table. */
const LOST = [lostEdgeRow(6), lostEdgeRow(7, { after: idOf(6, 'ffffff') })]
const [FIRST, SECOND] = LOST as [Row, Row]
/** Of another failover. */
const OTHER_LOST = { ...lostEdgeRow(8, { after: idOf(7) }), id: idOf(8, 'gggggg') }
const AFTER_LOSS = [wasReset(1, 'history-lost', 5), ...got(1, positions(6, 10))]
const OTHER_BYTES = 'abababababab'

export const PLANTED_CLIENT_EDGES: readonly PlantedBug[] = [
  edgeBug('a client is refused for no limit while nothing fails', ['status'], limited(false)),
  edgeBug('a client is answered with a gateway time-out for a limit', ['status'], limited(true, 504)),
  edgeBug(
    'a client comes from one lost history to another one',
    ['silent-loss'],
    [
      TAIL,
      ...LOST,
      OTHER_LOST,
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 5), FIRST, OTHER_LOST]),
      ...AFTER_LOSS,
    ],
  ),
  edgeBug(
    'a client comes from the new history to the lost one',
    ['silent-loss'],
    [TAIL, ...LOST, edgeClient(), ...opened(1), ...got(1, [...positions(1, 6), FIRST]), ...AFTER_LOSS],
  ),
  edgeBug(
    'the last event before a loss is passed over',
    ['gap'],
    [
      TAIL,
      ...LOST,
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 4), FIRST, SECOND]),
      ...AFTER_LOSS,
    ],
  ),
  edgeBug(
    'a hidden event stands between a lost event and one that is passed over',
    ['gap'],
    [
      TAIL,
      FIRST,
      { ...SECOND, type: 'hidden' },
      lostEdgeRow(8, { after: SECOND.id }),
      edgeClient({ types: ['note'] }),
      ...opened(1),
      ...got(1, [...positions(1, 5), lostEdgeRow(8)]),
      ...AFTER_LOSS,
    ],
  ),
  edgeBug('a row stands in the place before the first one', ['table-gap'], [{ ...edgeRow(1), id: idOf(0) }]),
  edgeBug(
    'a client at the beginning gets a reset',
    ['reset-untrue'],
    [
      faultAt(0, 'recreated'),
      edgeClient(),
      ...opened(1, idOf(0)),
      wasReset(1, 'history-lost', 0, 1),
      ...got(1, positions(1, 10)),
    ],
  ),
  edgeBug(
    'a client that brings the beginning by its position gets a reset',
    ['reset-untrue'],
    [
      faultAt(0, 'recreated'),
      edgeClient(),
      ...opened(1, '0'),
      wasReset(1, 'history-lost', 0, 1),
      ...got(1, positions(1, 10)),
    ],
  ),
  edgeBug(
    'a notice has a position after the last event',
    ['cursor-unknown'],
    [edgeClient(), ...opened(1), ...got(1, positions(1, 10)), told(1, 'heartbeat', 11, '11')],
  ),
  edgeBug(
    'a name of a type counts as a beginning of names',
    ['filter'],
    [
      edgeClient({ types: ['note'] }),
      ...opened(1),
      ...got(1, [...positions(1, 9), { ...edgeRow(10), type: 'not' }]),
    ],
  ),
  edgeBug(
    'a position alone has the bytes of no event',
    ['bytes'],
    [edgeClient(), ...opened(1), ...got(1, [...positions(1, 9), { ...alone(10), h: { sse: OTHER_BYTES } }])],
  ),
  {
    name: 'a client gets other bytes at the place that a compacted event had before retention',
    rules: ['bytes'],
    plant: h => twiceRemoved(h, { changed: true }, wrongAtFive()),
  },
  {
    name: 'a client gets other bytes at the place that a redacted event had before retention',
    rules: ['bytes'],
    plant: h => twiceRemoved(h, { redacted: Number.MAX_SAFE_INTEGER }, wrongAtFive()),
  },
  {
    name: 'a client gets a reset at a place of which nobody knows the event',
    rules: ['reset-untrue'],
    plant: h => [
      ...twiceRemoved(h, {}, got(1, positions(1, 4))),
      faultAt(0, 'recreated'),
      wasReset(1, 'history-lost', 6, 1),
      ...got(1, positions(7, 10)),
    ],
  },
]

function wrongAtFive(): Entry[] {
  return got(1, [...positions(1, 4), { ...edgeRow(5), h: { sse: OTHER_BYTES } }, ...positions(6, 10)])
}
