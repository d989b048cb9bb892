/** Histories of clients in which one position less would be a fault: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import {
  alone,
  edgeClient,
  got,
  leftAfter,
  limited,
  opened,
  removed,
  told,
  twiceRemoved,
  wasReset,
} from './edge-client.js'
import { cleanEdge, faultAt, idOf, lostEdgeRow, positions } from './edge-stream.js'
import type { EntryOf } from './history.js'

type Row = EntryOf<'row'>

const TAIL = faultAt(0, 'lost-tail')
/** After position 5 of the table. */
const LOST = [
  lostEdgeRow(6),
  lostEdgeRow(7, { type: 'hidden', after: idOf(6, 'ffffff') }),
  lostEdgeRow(8, { after: idOf(7, 'ffffff') }),
]
const [FIRST, HIDDEN, LAST] = LOST as [Row, Row, Row]
const OTHER_BYTES = { sse: 'abababababab', ndjson: 'abababababab' }
const LOST_WITHOUT_FORM = LOST.map(row => (row === HIDDEN ? { ...row, h: {} } : row))
const READ_ALL = [edgeClient(), ...opened(1), ...got(1, positions(1, 10))]
/** What a client that has got them gets next. */
const AFTER_LOSS = [wasReset(1, 'history-lost', 5), ...got(1, positions(6, 10))]

export const CLEAN_CLIENT_EDGES: readonly CleanHistory[] = [
  cleanEdge('a client is refused for a limit of its own while nothing fails', limited(true)),
  cleanEdge('the types that a client wants leave out a lost event between two others', [
    TAIL,
    ...LOST,
    edgeClient({ types: ['note'] }),
    ...opened(1),
    ...got(1, [...positions(1, 5), FIRST, LAST]),
    ...AFTER_LOSS,
  ]),
  cleanEdge('the grants of a client leave out a lost event between two others', [
    TAIL,
    ...LOST,
    edgeClient({ granted: ['note'] }),
    ...opened(1),
    ...got(1, [...positions(1, 5), FIRST, LAST]),
    ...AFTER_LOSS,
  ]),
  cleanEdge('a form does not show a lost event between two others', [
    TAIL,
    ...LOST_WITHOUT_FORM,
    edgeClient(),
    ...opened(1),
    ...got(1, [...positions(1, 5), FIRST, LAST]),
    ...AFTER_LOSS,
  ]),
  cleanEdge('a client comes to a lost event from a place before it that only its filter passes over', [
    TAIL,
    ...LOST,
    edgeClient({ from: 'now', types: ['note'] }),
    ...opened(1, idOf(6, 'ffffff')),
    told(1, 'server.state', 6, idOf(6, 'ffffff')),
    ...got(1, [LAST]),
    ...AFTER_LOSS,
  ]),
  cleanEdge('nobody knows what stood before a lost event', [
    TAIL,
    without(FIRST, 'after'),
    edgeClient(),
    ...opened(1),
    ...got(1, [...positions(1, 5), FIRST]),
    ...AFTER_LOSS,
  ]),
  cleanEdge('a client comes with the position alone of the last event before a loss', [
    TAIL,
    ...LOST,
    edgeClient({ from: 'now' }),
    ...opened(1, '5'),
    told(1, 'server.state', 5, '5'),
    ...got(1, LOST),
    ...AFTER_LOSS,
  ]),
  cleanEdge('a client comes with the beginning of another history', [
    faultAt(0, 'recreated'),
    edgeClient(),
    ...opened(1, idOf(0, 'zzzzzz')),
    wasReset(1, 'history-lost', 0, 1),
    ...got(1, positions(1, 10)),
  ]),
  cleanEdge('events come by their positions alone, of which lost ones had some', [
    TAIL,
    ...LOST,
    edgeClient({ from: 'now' }),
    ...opened(1, '5'),
    told(1, 'server.state', 5, '5'),
    ...got(1, positions(6, 10).map(alone)),
  ]),
  cleanEdge('a lost event comes by its position alone', [
    TAIL,
    { ...FIRST, h: OTHER_BYTES },
    edgeClient(),
    ...opened(1),
    ...got(1, [...positions(1, 5), alone({ ...FIRST, h: OTHER_BYTES })]),
    ...AFTER_LOSS,
  ]),
  cleanEdge(
    'a client does not get what was compacted, nor what its form does not show',
    [edgeClient(), ...opened(1), ...got(1, [1, 2, 5, 6, 7, 8, 9, 10])],
    { 3: { changed: true }, 4: { h: {} } },
  ),
  cleanEdge(
    'redacted data is still on its way five seconds after its redaction',
    [edgeClient(), ...opened(1), ...got(1, positions(1, 10), 5_000)],
    { 3: { h: OTHER_BYTES, redacted: END_MS } },
  ),
  cleanEdge('a client begins with a lost event', [
    TAIL,
    FIRST,
    edgeClient({ from: 'now' }),
    ...opened(1),
    ...got(1, [FIRST]),
    ...AFTER_LOSS,
  ]),
  cleanEdge('a client whose event was lost gets places of the new history before its reset', [
    TAIL,
    FIRST,
    edgeClient(),
    ...opened(1),
    ...got(1, [...positions(1, 5), FIRST]),
    told(1, 'heartbeat', 3),
    told(1, 'heartbeat', 9),
    ...AFTER_LOSS,
  ]),
  cleanEdge('an id that a client has made up comes back until its reset', [
    faultAt(0, 'forged-id'),
    edgeClient({ from: 'now' }),
    ...opened(1, idOf(7, 'zzzzzz')),
    told(1, 'server.state', 7, idOf(7, 'zzzzzz')),
    wasReset(1, 'history-lost', 10, 1),
  ]),
  cleanEdge('a text that is no id comes back as a word until the reset', [
    faultAt(0, 'forged-id'),
    edgeClient({ from: 'now' }),
    ...opened(1, 'strange'),
    told(1, 'server.state', 0, 'unknown'),
    wasReset(1, 'unknown-id', 10, 1),
  ]),
  cleanEdge('a client with a cursor makes up an id', [
    faultAt(0, 'forged-id'),
    edgeClient(),
    ...opened(1),
    ...got(1, positions(1, 5)),
    ...opened(2, idOf(7, 'zzzzzz')),
    wasReset(2, 'history-lost', 10, 1),
  ]),
  {
    name: 'retention removed events, and nobody recorded up to which',
    make: h => [
      ...h,
      faultAt(0, 'retention'),
      ...leftAfter(6),
      edgeClient(),
      ...opened(1, idOf(3)),
      wasReset(1, 'retention', 6, 1),
      ...got(1, positions(7, 10)),
    ],
  },
  { name: 'retention removed twice, and nobody recorded what was between', make: h => twiceRemoved(h) },
  {
    name: 'retention removed more than was recorded',
    make: h => [...h, ...removed(positions(1, 3)), ...leftAfter(6), ...READ_ALL],
  },
]

function without(row: Row, member: 'after'): Row {
  const { [member]: _, ...rest } = row
  return rest
}
