/** Histories of ids that clients have made up and other things that a lost tail takes, and nothing is wrong: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import { alone, closed, edgeClient, got, opened, told, wasReset } from './edge-client.js'
import {
  acked,
  acking,
  cleanEdge,
  cursorAt,
  edgeConsumer,
  faultAt,
  handed,
  held,
  lostEdgeRow,
  positions,
} from './edge-stream.js'
import type { Entry, EntryOf } from './history.js'
import { rows } from './planted-bugs.js'

const FEED = 'acme/feed'
const LOST_JOB = 'acme/job:lost'
const AGAIN = 'acme/job:again'

export const CLEAN_LOSS_HISTORIES: readonly CleanHistory[] = [
  { name: 'a client brings an id of the right form that never was one', make: withInvented },
  { name: 'a client brings a text that is no id', make: withText },
  { name: 'a page is refused after a retention', make: withRefusedPage },
  { name: 'a lost tail takes the stream of a job', make: withLostStream },
  { name: 'a lost tail takes a claim, and another runner has the attempt', make: withLostClaim },
  cleanEdge('a consumer by positions has acknowledged a lost event behind the present end', [
    faultAt(0, 'lost-tail'),
    lostEdgeRow(11),
    { ...edgeConsumer(), isBlind: true } as Entry,
    held(1, 0, 1),
    ...handed(1, positions(1, 10)),
    { ...acking(1, 11), id: lostEdgeRow(11).id } as Entry,
  ]),
  cleanEdge('a consumer has passed hidden events that a tail has taken, and others came in their places', [
    faultAt(11, 'lost-tail'),
    ...[6, 7].map(position => lostEdgeRow(position, { type: 'hidden' })),
    { ...edgeConsumer(), types: ['note'] } as Entry,
    held(1, 0, 1),
    ...handed(1, positions(1, 5)),
    acking(1, 5),
    acked(1, 5, 10),
    cursorAt(7),
    held(2, 20, 21),
    ...handed(2, positions(6, 10)),
    acking(2, 10, 2),
    cursorAt(10),
  ]),
  cleanEdge('a client gets the position of a lost event alone, and hears its id after it', [
    faultAt(0, 'lost-tail'),
    lostEdgeRow(6),
    edgeClient(),
    ...opened(1),
    ...got(1, [...positions(1, 5), alone(6)]),
    told(1, 'heartbeat', 6, lostEdgeRow(6).id),
    wasReset(1, 'history-lost', 5),
    ...got(1, positions(6, 10)),
  ]),
  cleanEdge('a client that has events brings a position that it has made up', [
    faultAt(0, 'forged-id'),
    edgeClient(),
    ...opened(1),
    ...got(1, positions(1, 7)),
    closed(1, 'client'),
    ...opened(2, '11'),
    wasReset(2, 'unknown-id', 7),
    ...got(2, positions(8, 10)),
  ]),
]

export function withInvented(history: readonly Entry[]): Entry[] {
  const id = `${rows(history)[4]?.id.split('.')[0]}.sluice`
  return withForged(history, 'inventor', id, id, 'history-lost')
}

export function withText(history: readonly Entry[]): Entry[] {
  return withForged(history, 'writer', 'no event id', 'unknown', 'unknown-id')
}

/** It gets what it has brought until the reset. */
function withForged(
  history: readonly Entry[],
  c: string,
  brought: string,
  returned: string,
  reason: string,
): Entry[] {
  const all = rows(history)
  const at = { t: END_MS, c, n: 1 }
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'forged-id', stream: FEED },
    { k: 'client', client: c, stream: FEED, form: 'sse', from: 'beginning' },
    { k: 'open', ...at, id: brought },
    { k: 'status', ...at, status: 200 },
    { k: 'notice', ...at, name: 'server.state', id: returned },
    { k: 'notice', ...at, name: 'reset', id: all.at(-1)?.id ?? '', reason },
  ]
}

export function withRefusedPage(history: readonly Entry[]): Entry[] {
  const all = rows(history)
  const base = all[19]?.id ?? ''
  const at = { t: END_MS, c: 'pager', n: 1 }
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'retention', stream: FEED, base },
    { k: 'client', client: 'pager', stream: FEED, form: 'sse', from: 'beginning' },
    { k: 'open', ...at, id: all[3]?.id ?? '' },
    { k: 'status', ...at, status: 410 },
    { k: 'notice', ...at, name: 'reset', id: all.at(-1)?.id ?? '', reason: 'retention' },
    { k: 'close', ...at, by: 'server' },
  ]
}

/** The job was submitted, and is gone with the tail of all streams. */
export function withLostStream(history: readonly Entry[]): Entry[] {
  const [one, other] = [
    { t: END_MS, c: 'bereft', n: 1 },
    { t: END_MS + 2, c: 'bereft', n: 2 },
  ]
  const row = {
    k: 'row',
    stream: LOST_JOB,
    id: '1.eeeeee',
    type: 'job.created',
    h: { sse: 'eeeeeeeeeeee' },
  } as const
  return [
    ...history,
    { ...row, lost: true, after: '0.aaaaaa' },
    { k: 'client', client: 'bereft', stream: LOST_JOB, form: 'sse', from: 'beginning' },
    { k: 'open', ...one },
    { k: 'status', ...one, status: 200 },
    { k: 'frame', ...one, id: row.id, type: row.type, h: row.h.sse },
    { k: 'fault', t: END_MS + 1, fault: 'lost-tail' },
    { k: 'notice', ...one, t: END_MS + 2, name: 'reset', id: '0', reason: 'deleted' },
    { k: 'close', ...one, t: END_MS + 2, by: 'server' },
    { k: 'open', ...other },
    { k: 'status', ...other, status: 404 },
    { k: 'close', ...other, by: 'server' },
    { k: 'left', t: END_MS + 3, c: 'bereft' },
  ]
}

export function withLostClaim(history: readonly Entry[]): Entry[] {
  const events: readonly [string, string?, number?][] = [
    ['job.created'],
    ['job.started', 'two', 1],
    ['job.completed', 'two'],
  ]
  const claimed = { k: 'job', job: AGAIN, did: 'claimed', attempt: 1 } as const
  return [
    ...history,
    { k: 'log', stream: AGAIN, base: '0.aaaaaa', terminal: ['job.completed'] },
    ...events.map(
      ([type, by, attempt], n): EntryOf<'row'> => ({
        ...{ k: 'row', stream: AGAIN, id: `${n + 1}.ffffff`, type, h: {} },
        ...(by && { by }),
        ...(attempt && { attempt }),
      }),
    ),
    { ...claimed, t: END_MS, asked: END_MS, runner: 'one' },
    { k: 'fault', t: END_MS + 1, fault: 'lost-tail', stream: AGAIN },
    { ...claimed, t: END_MS + 100, asked: END_MS + 100, runner: 'two' },
  ]
}
