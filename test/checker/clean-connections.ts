/** Histories of connections that are refused, end early or say nothing yet, and nothing is wrong: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import { closed, ENDED, edgeClient, ended, got, LEFT, opened, refused, told, untold } from './edge-client.js'
import { cleanEdge, faultAt, idOf, positions } from './edge-stream.js'

/** Longer after a fault than it explains anything. */
const LATE = 60_000
/** An answer that a fault explains for ever after it. */
const LASTING = [
  [401, 'expired'],
  [403, 'revoked'],
  [404, 'deleted'],
  [404, 'recreated'],
  [404, 'restored'],
  [404, 'lost-tail'],
  [404, 'two-writable'],
  [410, 'retention'],
  [410, 'lost-tail'],
  [410, 'restored'],
  [410, 'recreated'],
  [410, 'forged-id'],
] as const
/** An answer that a fault explains for a while. */
const PASSING = [
  [429, 'listener-terminated'],
  [504, 'gateway-killed'],
  [502, 'upstream-gone'],
  [502, 'proxy-reset'],
  [502, 'black-holed'],
] as const

export const CLEAN_CONNECTIONS: readonly CleanHistory[] = [
  ...[401, 404].map(status =>
    cleanEdge(`a client that may not see its stream is refused with ${status}`, [
      edgeClient({ granted: [] }),
      ...refused(1, status),
    ]),
  ),
  ...LASTING.map(([status, fault]) =>
    cleanEdge(`a client is refused with ${status} long after: ${fault}`, [
      faultAt(0, fault),
      edgeClient(),
      ...refused(1, status, LATE),
      LEFT,
    ]),
  ),
  ...PASSING.map(([status, fault]) =>
    cleanEdge(`a client is refused with ${status} 15 s after: ${fault}`, [
      { k: 'fault', t: END_MS, fault },
      edgeClient(),
      ...refused(1, status, 15_000),
      LEFT,
    ]),
  ),
  cleanEdge('a client without a cursor hears nothing but words', [
    edgeClient({ from: 'now' }),
    ...opened(1),
    untold(1, 'server.state'),
    untold(1, 'snapshot'),
    untold(1, 'heartbeat'),
    told(1, 'cursor', 10),
    closed(1, 'client'),
    ...opened(2),
    untold(2, 'snapshot'),
    told(2, 'server.state', 10),
  ]),
  cleanEdge('a client with a cursor is greeted without one', [
    edgeClient({ from: 'now' }),
    ...opened(1, idOf(10)),
    untold(1, 'server.state'),
    told(1, 'heartbeat', 10),
    closed(1, 'client'),
    ...opened(2, idOf(10)),
    untold(2, 'server.state'),
  ]),
  cleanEdge('a stream without an end has nothing new for a while, and ends its responses', [
    edgeClient(),
    ...refused(1, 204),
    ...opened(2),
    ...got(2, [1, 2]),
    closed(2, 'server', LATE),
    ...opened(3, idOf(2)),
    ...got(3, positions(3, 10)),
  ]),
  cleanEdge('a client has a whole stream with an end, and asks again', [
    ...ENDED,
    edgeClient({ stream: ended.stream }),
    ...opened(1),
    ...got(1, ended.rows),
    closed(1, 'server', LATE),
    ...refused(2, 204, LATE),
  ]),
  cleanEdge('a client has a whole stream with an end, and closes first', [
    ...ENDED,
    edgeClient({ stream: ended.stream }),
    ...opened(1),
    ...got(1, ended.rows),
    closed(1, 'client', LATE),
  ]),
  cleanEdge('a client leaves a stream with an end before that', [
    ...ENDED,
    edgeClient({ stream: ended.stream }),
    ...opened(1),
    ...got(1, ended.rows.slice(0, 1)),
    closed(1, 'client', LATE),
    LEFT,
  ]),
  cleanEdge('a stream with an end is cut during a fault', [
    ...ENDED,
    { k: 'fault', t: END_MS, fault: 'gateway-killed' },
    edgeClient({ stream: ended.stream }),
    ...opened(1),
    ...got(1, ended.rows.slice(0, 1)),
    closed(1, 'server', 10),
    LEFT,
  ]),
  cleanEdge('a client is refused during a fault, and its connection closes long after', [
    ...ENDED,
    { k: 'fault', t: END_MS, fault: 'gateway-killed' },
    edgeClient({ stream: ended.stream }),
    ...refused(1, 503).slice(0, 2),
    closed(1, 'server', LATE),
    LEFT,
  ]),
]
