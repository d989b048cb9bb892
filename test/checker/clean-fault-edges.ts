/** Histories in which a fault explains something by its name, its stream or one moment, and nothing is wrong: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import { closed, edgeClient, got, LEFT, leftAfter, opened, refused, wasReset } from './edge-client.js'
import { cleanEdge, faultAt, idOf, lostEdgeRow, positions, published } from './edge-stream.js'
import type { Entry } from './history.js'

/** One clock, read in several processes. */
const SLACK_MS = 20
const LOST = lostEdgeRow(6)
const OTHER = 'acme/edge-other'
/** During these, each with the SQLSTATE of a publish that may fail. */
const OUTAGES = [
  ['postgres-killed', '57P01'],
  ['promoted', '08006'],
  ['lost-tail', '08006'],
  ['restored', '08006'],
  ['backend-killed', '57P01'],
  ['read-only', '25006'],
  ['full', '53100'],
  ['network', '08006'],
  ['table-locked', '57014'],
  ['database-reset', '08006'],
  ['publishers-reset', '08006'],
  ['proxy', '08006'],
  ['gateway-killed', '08006'],
] as const

export const CLEAN_FAULT_EDGES: readonly CleanHistory[] = [
  ...OUTAGES.map(([fault, why]) =>
    cleanEdge(`a publish fails with ${why} until 30 s after: ${fault}`, [
      happened(fault),
      ...failed('late', why, 30_000),
    ]),
  ),
  cleanEdge('a publish is not answered as before in a stream that was deleted', [
    faultAt(0, 'deleted'),
    ...failed('late', '404', 60_000),
  ]),
  cleanEdge('a publish is refused during a fault of one stream', [
    faultAt(0, 'retention'),
    ...failed('busy', '503', 10),
  ]),
  ...['lost-tail', 'restored', 'recreated', 'two-writable'].map(fault =>
    cleanEdge(`a client has an event that is lost, after: ${fault}`, [
      happened(fault),
      LOST,
      edgeClient(),
      ...opened(1),
      ...got(1, [...positions(1, 5), LOST]),
      wasReset(1, 'history-lost', 5),
      ...got(1, positions(6, 10)),
    ]),
  ),
  ...['forged-id', 'lost-tail', 'restored', 'two-writable'].map(fault =>
    cleanEdge(`a client brings a position that no event has, after: ${fault}`, [
      happened(fault),
      edgeClient({ from: 'now' }),
      ...opened(1, '11'),
      wasReset(1, 'unknown-id', 10, 1),
    ]),
  ),
  ...['two-writable', 'promoted', 'lost-tail', 'restored'].map(fault =>
    cleanEdge(`a gateway does not know yet a position that a client has got elsewhere, after: ${fault}`, [
      faultAt(0, 'forged-id'),
      happened(fault),
      edgeClient({ from: 'now' }),
      ...opened(1, '6'),
      wasReset(1, 'unknown-id', 5, 1),
      ...got(1, positions(6, 10)),
    ]),
  ),
  ...['deleted', 'lost-tail'].map(fault =>
    cleanEdge(`a client hears that its stream is deleted, after: ${fault}`, [
      happened(fault),
      edgeClient(),
      ...opened(1),
      ...got(1, positions(1, 10)),
      { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'reset', reason: 'deleted', id: '0' },
      LEFT,
    ]),
  ),
  cleanEdge('an event that was acknowledged is lost with a restore', [
    ...published('gone', [0, 1], ['gone-0']),
    faultAt(2, 'restored'),
    lostEdgeRow(1, { mark: 'gone-0' }),
  ]),
  cleanEdge('a stream is created anew at the moment of an acknowledgement', [
    faultAt(0, 'recreated'),
    ...published('last', [0, SLACK_MS], ['last-0']),
  ]),
  cleanEdge('a stream is not found at the moment at which it is deleted', [
    faultAt(SLACK_MS, 'deleted'),
    edgeClient(),
    ...refused(1, 404),
    LEFT,
  ]),
  cleanEdge('a client is refused at the moment at which a fault begins', [
    happened('gateway-killed', SLACK_MS),
    edgeClient(),
    ...refused(1, 503),
    LEFT,
  ]),
  {
    name: 'a client is overtaken at the moment of a retention',
    make: h => [
      ...h,
      faultAt(0, 'retention'),
      { k: 'fault', t: END_MS + SLACK_MS, fault: 'retention', stream: 'acme/edge', base: idOf(8) },
      ...leftAfter(6),
      edgeClient({ from: 'now' }),
      ...opened(1, idOf(7)),
      wasReset(1, 'retention', 8),
      ...got(1, [9, 10]),
    ],
  },
  cleanEdge('of two faults of one name the later one ends first', [
    happened('gateway-killed', 0),
    happened('gateway-killed', 40_000),
    healed('gateway-killed', 41_000),
    healed('gateway-killed', 80_000),
    ...refusedAt(30_000),
  ]),
  cleanEdge('of two faults the earlier one ends', [
    happened('gateway-killed', 0),
    happened('postgres-killed', 40_000),
    healed('gateway-killed', 80_000),
    ...refusedAt(30_000),
  ]),
  cleanEdge('of two faults of one name the one of a stream ends', [
    faultAt(0, 'greedy'),
    faultAt(40_000, 'greedy', OTHER),
    { ...healed('greedy', 80_000), stream: 'acme/edge' } as Entry,
    ...refusedAt(30_000),
  ]),
  cleanEdge('a fault ends before another one of its name begins', [
    happened('gateway-killed', 0),
    happened('gateway-killed', 80_000),
    healed('gateway-killed', 40_000),
    ...refusedAt(30_000),
  ]),
  cleanEdge('a fault ends at the moment at which it begins', [
    happened('gateway-killed', 0),
    healed('gateway-killed', 0),
    ...refusedAt(10_000),
  ]),
  cleanEdge('a client brings its position to the other one of two writable servers', [
    happened('two-writable', 0),
    faultAt(0, 'lost-tail'),
    LOST,
    lostEdgeRow(7, { after: LOST.id }),
    edgeClient(),
    ...opened(1),
    ...got(1, positions(1, 6)),
    closed(1, 'broken'),
    ...opened(2, '6'),
    ...got(2, [lostEdgeRow(7, { after: LOST.id })]),
    wasReset(2, 'history-lost', 6),
    ...got(2, positions(7, 10)),
  ]),
]

export function happened(fault: string, t = 0): Entry {
  return { k: 'fault', t: END_MS + t, fault }
}

export function healed(fault: string, t: number): Entry {
  return { k: 'healed', t: END_MS + t, fault }
}

function refusedAt(t: number): Entry[] {
  return [edgeClient(), ...refused(1, 503, t), LEFT]
}

function failed(publish: string, why: string, t: number): Entry[] {
  return published(publish, [0, t], [`${publish}-0`], 'failed').map(each =>
    each.k === 'outcome' ? { ...each, why } : each,
  )
}
