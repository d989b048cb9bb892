/** Bugs that a fault would explain if it had another name, stream or time: as planted-bugs.ts. */
import { happened, healed } from './clean-fault-edges.js'
import { END_MS } from './clean-histories.js'
import { closed, edgeClient, got, LEFT, leftAfter, opened, refused, wasReset } from './edge-client.js'
import { edgeBug, faultAt, idOf, lostEdgeRow, positions, published } from './edge-stream.js'
import type { Entry } from './history.js'
import type { PlantedBug } from './planted-bugs.js'

/** Longer after a fault than it explains anything, and longer before it than clocks differ. */
const LATE = 60_000
const OTHER = 'acme/edge-other'
const LOST = lostEdgeRow(6)
const NEXT_LOST = lostEdgeRow(7, { after: LOST.id })

export const PLANTED_FAULT_EDGES: readonly PlantedBug[] = [
  edgeBug(
    'a stream is not found before two servers are writable',
    ['status'],
    [happened('two-writable', LATE), edgeClient(), ...refused(1, 404), LEFT],
  ),
  edgeBug(
    'a stream is not found after two servers were writable for another one',
    ['status'],
    [faultAt(0, 'two-writable', OTHER), edgeClient(), ...refused(1, 404, LATE), LEFT],
  ),
  edgeBug(
    'a client is refused before a fault',
    ['status'],
    [
      happened('gateway-killed', LATE),
      healed('gateway-killed', 2 * LATE),
      edgeClient(),
      ...refused(1, 503),
      LEFT,
    ],
  ),
  edgeBug(
    'a client is refused long after a fault, and before a second one of its name',
    ['status'],
    [
      happened('gateway-killed', 2 * LATE),
      happened('gateway-killed', 0),
      healed('gateway-killed', 3 * LATE),
      edgeClient(),
      ...refused(1, 503, LATE),
      LEFT,
    ],
  ),
  edgeBug(
    'an event is lost that was acknowledged after its stream was created anew',
    ['acknowledged-lost'],
    [faultAt(0, 'recreated'), ...published('after', [0, 21], ['after-0'])],
  ),
  edgeBug(
    'a part of a transaction is lost with a tail, and another stream is created anew',
    ['half-stored'],
    [
      {
        k: 'started',
        t: END_MS,
        publish: 'half',
        events: [
          { stream: 'acme/edge', mark: 'half-0' },
          { stream: OTHER, mark: 'half-1' },
        ],
      },
      { k: 'outcome', t: END_MS + 1, publish: 'half', outcome: 'acknowledged' },
      faultAt(2, 'lost-tail', OTHER),
      faultAt(3, 'recreated'),
      { ...lostEdgeRow(1, { mark: 'half-1' }), stream: OTHER },
    ],
    { 1: { mark: 'half-0' } },
  ),
  overtaken('a client gets a reset before retention comes to its place', [retention(LATE, 8)]),
  overtaken('a client gets a reset because retention has removed more of another stream', [
    retention(0, 8, OTHER),
  ]),
  edgeBug(
    'a client brings its position, and comes into a lost history without a failover',
    ['gap', 'silent-loss'],
    [
      faultAt(0, 'recreated'),
      LOST,
      NEXT_LOST,
      edgeClient(),
      ...opened(1),
      ...got(1, positions(1, 6)),
      closed(1, 'client'),
      ...opened(2, '6'),
      ...got(2, [NEXT_LOST]),
      wasReset(2, 'history-lost', 6),
      ...got(2, positions(7, 10)),
    ],
  ),
  edgeBug(
    'a client brings an id, and comes into a lost history during a failover',
    ['gap', 'silent-loss'],
    [
      happened('two-writable', 0),
      faultAt(0, 'lost-tail'),
      LOST,
      NEXT_LOST,
      edgeClient(),
      ...opened(1),
      ...got(1, positions(1, 6)),
      closed(1, 'broken'),
      ...opened(2, idOf(6)),
      ...got(2, [NEXT_LOST]),
      wasReset(2, 'history-lost', 6),
      ...got(2, positions(7, 10)),
    ],
  ),
]

/** Retention is known to have removed two events before. */
function overtaken(name: string, faults: readonly Entry[]): PlantedBug {
  return {
    name,
    rules: ['reset-untrue'],
    plant: history => [
      ...history,
      retention(0, 2),
      ...faults,
      ...leftAfter(2),
      edgeClient({ from: 'now' }),
      ...opened(1, idOf(5)),
      wasReset(1, 'retention', 8),
      ...got(1, [9, 10]),
    ],
  }
}

function retention(t: number, base: number, stream = 'acme/edge'): Entry {
  return { k: 'fault', t: END_MS + t, fault: 'retention', stream, base: idOf(base) }
}
