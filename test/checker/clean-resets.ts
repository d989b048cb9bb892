/** Histories of resets and of clients that have a lost event, and nothing is wrong: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import { closed, edgeClient, ended, got, leftAfter, opened, refused, told, wasReset } from './edge-client.js'
import { cleanEdge, edgeRow, faultAt, idOf, lostEdgeRow, positions } from './edge-stream.js'
import type { EntryOf } from './history.js'

const TAIL = faultAt(0, 'lost-tail')
const LOST = lostEdgeRow(6)
const HIDDEN = lostEdgeRow(7, { type: 'hidden', after: LOST.id })
const JOB_TYPES = ['job.created', 'job.started', 'job.completed']
const [CREATED, ...REST] = JOB_TYPES.map((type, n) => jobRow(n + 1, type)) as [
  EntryOf<'row'>,
  ...EntryOf<'row'>[],
]
const LOST_END = { ...jobRow(2, 'job.cancelled'), id: '2.ffffff', after: CREATED.id, lost: true as const }

export const CLEAN_RESETS: readonly CleanHistory[] = [
  cleanEdge('a client has the whole of a lost history, which a gateway takes for all there is', [
    { k: 'log', stream: ended.stream, base: idOf(0), terminal: ['job.completed', 'job.cancelled'] },
    CREATED,
    ...REST,
    LOST_END,
    faultAt(0, 'lost-tail', ended.stream),
    edgeClient({ stream: ended.stream }),
    ...opened(1),
    ...got(1, [CREATED, LOST_END]),
    closed(1, 'server'),
    ...refused(2, 204, 10, LOST_END.id),
    ...opened(3, LOST_END.id, 20),
    wasReset(3, 'history-lost', 1, 20),
    ...got(3, REST, 20),
    closed(3, 'server', 30),
  ]),
  cleanEdge('a client continues from the position of a lost event that its filter hides', [
    TAIL,
    LOST,
    HIDDEN,
    edgeClient({ types: ['note'] }),
    ...opened(1),
    ...got(1, [...positions(1, 5), LOST]),
    told(1, 'control', 7, HIDDEN.id),
    closed(1, 'client'),
    ...opened(2, '7'),
    ...got(2, positions(8, 10)),
  ]),
  cleanEdge('a client is reset to an event that is lost later', [
    faultAt(0, 'forged-id'),
    TAIL,
    LOST,
    edgeClient({ from: 'now' }),
    ...opened(1, '11'),
    { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'reset', reason: 'unknown-id', id: LOST.id },
    wasReset(1, 'history-lost', 5),
    ...got(1, positions(6, 10)),
  ]),
  cleanEdge('a client is reset to the beginning of a stream that is created anew twice', [
    faultAt(0, 'recreated'),
    edgeClient(),
    ...opened(1, idOf(4, 'zzzzzz')),
    { k: 'notice', t: END_MS, c: 'edge', n: 1, name: 'reset', reason: 'history-lost', id: '0.zzzzzz' },
    wasReset(1, 'history-lost', 0),
    ...got(1, positions(1, 10)),
  ]),
  {
    name: 'a client is reset to a place that retention removes later',
    make: h => [
      ...h,
      { k: 'fault', t: END_MS, fault: 'retention', stream: 'acme/edge', base: idOf(3) },
      { k: 'fault', t: END_MS + 9, fault: 'retention', stream: 'acme/edge', base: idOf(6) },
      ...leftAfter(6),
      edgeClient(),
      ...opened(1, idOf(1)),
      wasReset(1, 'retention', 3),
      ...got(1, positions(4, 10)),
    ],
  },
]

function jobRow(position: number, type: string): EntryOf<'row'> {
  return { ...edgeRow(position), stream: ended.stream, type }
}
