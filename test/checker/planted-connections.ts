/** Bugs of connections, of their notices, and of the order in which events come: as planted-bugs.ts. */
import {
  closed,
  edgeClient,
  got,
  LEFT,
  opened,
  refused,
  told,
  twiceRemoved,
  untold,
  wasReset,
} from './edge-client.js'
import { edgeBug, edgeRow, faultAt, idOf, lostEdgeRow, positions } from './edge-stream.js'
import type { PlantedBug } from './planted-bugs.js'

const TAIL = faultAt(0, 'lost-tail')
const FIRST = lostEdgeRow(6)
const SECOND = lostEdgeRow(7, { after: FIRST.id })
const AFTER_LOSS = [wasReset(1, 'history-lost', 5), ...got(1, positions(6, 10))]

export const PLANTED_CONNECTIONS: readonly PlantedBug[] = [
  edgeBug(
    'a client that may not see its stream gets an error',
    ['status'],
    [edgeClient({ granted: [] }), ...refused(1, 500)],
  ),
  edgeBug(
    'the number of a connection goes back',
    ['connection'],
    [edgeClient(), ...opened(2), ...got(2, positions(1, 10)), closed(2, 'client'), ...opened(1, idOf(10))],
  ),
  edgeBug(
    'a number of a connection comes twice',
    ['connection'],
    [edgeClient(), ...opened(1), ...got(1, positions(1, 10)), closed(1, 'client'), ...opened(1, idOf(10))],
  ),
  edgeBug(
    'events come before the status of a second response',
    ['connection'],
    [
      edgeClient(),
      ...opened(1),
      ...got(1, positions(1, 5)),
      closed(1, 'client'),
      ...opened(2, idOf(5)).slice(0, 1),
      ...got(2, positions(6, 10)),
    ],
  ),
  edgeBug(
    'a client with a lost event is refused as wrong, and hears nothing more',
    ['silent-loss'],
    [
      TAIL,
      FIRST,
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 5), FIRST]),
      closed(1, 'client'),
      ...refused(2, 400, 0, '6'),
    ],
  ),
  edgeBug(
    'a heartbeat after the first event has no cursor',
    ['cursor-missing'],
    [edgeClient(), ...opened(1), ...got(1, positions(1, 10)), untold(1, 'heartbeat')],
  ),
  edgeBug(
    'a heartbeat after a first cursor has none',
    ['cursor-missing'],
    [edgeClient({ from: 'now' }), ...opened(1), told(1, 'server.state', 10), untold(1, 'heartbeat')],
  ),
  edgeBug(
    'a second greeting has no cursor',
    ['cursor-missing'],
    [
      edgeClient({ from: 'now' }),
      ...opened(1, idOf(10)),
      told(1, 'server.state', 10),
      untold(1, 'server.state'),
    ],
  ),
  edgeBug(
    'a greeting after an event has no cursor',
    ['cursor-missing'],
    [edgeClient(), ...opened(1, idOf(9)), ...got(1, [10]), untold(1, 'server.state')],
  ),
  edgeBug(
    'a client gets the new event in the place of a lost one without a reset',
    ['silent-loss'],
    [TAIL, FIRST, edgeClient(), ...opened(1), ...got(1, [...positions(1, 5), FIRST, ...positions(6, 10)])],
  ),
  edgeBug(
    'an event that was passed over comes late',
    ['reordered'],
    [edgeClient(), ...opened(1), ...got(1, [1, 2, 4, 3, ...positions(5, 10)])],
  ),
  edgeBug(
    'an event comes twice after another one was passed over',
    ['doubled'],
    [edgeClient(), ...opened(1), ...got(1, [1, 3, 3, ...positions(4, 10)])],
  ),
  edgeBug(
    'an event of another history has bytes of this one',
    ['unstored'],
    [edgeClient(), ...opened(1), ...got(1, [...positions(1, 9), { ...edgeRow(10), id: idOf(10, 'zzzzzz') }])],
  ),
  edgeBug(
    'a heartbeat has the beginning of another history',
    ['cursor-unknown'],
    [edgeClient(), ...opened(1), told(1, 'heartbeat', 0, idOf(0, 'zzzzzz')), ...got(1, positions(1, 10))],
  ),
  edgeBug(
    'a heartbeat is at a lost event that the client has not got',
    ['cursor-ahead'],
    [
      TAIL,
      FIRST,
      edgeClient(),
      ...opened(1),
      ...got(1, positions(1, 5)),
      told(1, 'heartbeat', 6, FIRST.id),
      ...AFTER_LOSS,
    ],
  ),
  edgeBug(
    'a heartbeat is at a lost event that is hidden, after one that the client has not got',
    ['gap'],
    [
      TAIL,
      FIRST,
      { ...SECOND, type: 'hidden' },
      edgeClient({ types: ['note'] }),
      ...opened(1),
      ...got(1, positions(1, 5)),
      told(1, 'heartbeat', 7, SECOND.id),
      ...AFTER_LOSS,
    ],
  ),
  edgeBug(
    'a word comes back to a client that brought an id',
    ['cursor-unknown'],
    [edgeClient(), ...opened(1, idOf(0)), told(1, 'heartbeat', 0, 'unknown'), ...got(1, positions(1, 10))],
  ),
  edgeBug(
    'a word comes to a client that brought nothing',
    ['cursor-unknown'],
    [edgeClient(), ...opened(1), told(1, 'heartbeat', 0, 'unknown'), ...got(1, positions(1, 10))],
  ),
  edgeBug(
    'an id comes back to a client that brought a text',
    ['cursor-unknown'],
    [
      edgeClient(),
      ...opened(1, 'strange'),
      told(1, 'heartbeat', 7, idOf(7, 'zzzzzz')),
      ...got(1, positions(1, 10)),
    ],
  ),
  edgeBug(
    'the last event is a new one in the place of a lost one',
    ['silent-loss'],
    [
      TAIL,
      lostEdgeRow(10),
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 9), lostEdgeRow(10), 10]),
      LEFT,
    ],
  ),
  edgeBug(
    'an event after a hidden one is passed over',
    ['gap'],
    [edgeClient({ types: ['note'] }), ...opened(1), ...got(1, [1, 2, 5, 6, 7, 8, 9, 10])],
    { 3: { type: 'hidden' } },
  ),
  {
    name: 'an event after those that nobody recorded is passed over',
    rules: ['gap'],
    plant: h => twiceRemoved(h, {}, got(1, [1, 2, 3, 4, 6, 7, 8, 9, 10])),
  },
]
