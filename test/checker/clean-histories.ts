/**
 * Histories in which something rare happens to clients and publishers, and nothing is wrong: each adds it to a generated one. Planted bugs
 * change these too.
 */
import type { Entry, EntryOf } from './history.js'
import { changed, frames, rows } from './planted-bugs.js'

export interface CleanHistory {
  readonly name: string
  make(history: readonly Entry[]): Entry[]
}

const FEED = 'acme/feed'
/** Later than all of the run. */
export const END_MS = 1_000_000
const HASHES = { sse: 'abababababab', ndjson: 'cdcdcdcdcdcd' }

export const CLEAN_HISTORIES: readonly CleanHistory[] = [
  { name: 'what retention has removed during the run', make: afterRetention },
  { name: 'a client that may not see its stream is refused', make: withStranger },
  { name: 'a client that brings a forged id gets a reset', make: withForger },
  { name: 'a client that retention has overtaken gets a reset', make: withOvertaken },
  { name: 'a client leaves before the end', make: withLeaver },
  { name: 'an event is redacted, and another one compacted', make: withChanges },
  { name: 'a stream is created anew, and its old events are gone', make: withRecreated },
  { name: 'a publish fails while Postgres is stopped', make: withOutage },
  { name: 'a proxy has no gateway', make: withProxyStatus },
  { name: 'what nobody has seen before retention removed it', make: afterUnseenRetention },
  { name: 'a client comes to the other one of two writable servers', make: withTwoWritable },
  { name: 'a process uses more for a while, and another one begins late', make: withSamples },
]

/** As if retention had removed the first ten events of the feed at the end of the run. */
export function afterRetention(history: readonly Entry[]): Entry[] {
  const { removed, kept } = retained(history)
  const [header, ...rest] = kept
  return header ? [header, ...removed.map((row): Entry => ({ ...row, removed: true })), ...rest] : []
}

/** Nobody recorded the rows. */
export function afterUnseenRetention(history: readonly Entry[]): Entry[] {
  const { base, kept } = retained(history)
  return [...kept, { k: 'fault', t: END_MS, fault: 'retention', stream: FEED, base }]
}

function retained(history: readonly Entry[]) {
  const removed = rows(history).slice(0, 10)
  const gone = new Set<Entry>(removed)
  const base = removed.at(-1)?.id ?? ''
  const kept = history
    .filter(each => !gone.has(each))
    .map(each => (each.k === 'log' && each.stream === FEED ? { ...each, base } : each))
  return { removed, base, kept }
}

export function withSamples(history: readonly Entry[]): Entry[] {
  const at = { k: 'sample', t: END_MS } as const
  return [
    ...history,
    { ...at, process: 'gateway', phase: 'load', measures: { rss: 500, sockets: 100 } },
    { ...at, process: 'late', phase: 'end', measures: { rss: 300, sockets: 10, timers: 9_999 } },
  ]
}

export function withStranger(history: readonly Entry[]): Entry[] {
  const at = { t: END_MS, c: 'stranger', n: 1 }
  return [
    ...history,
    { k: 'client', client: 'stranger', stream: FEED, form: 'sse', from: 'now', granted: [] },
    { k: 'open', ...at },
    { k: 'status', ...at, status: 403 },
    { k: 'close', ...at, by: 'server' },
    // A proxy that has no gateway says so in a stream of its own.
    { k: 'fault', t: END_MS, fault: 'gateway-killed' },
    { k: 'open', ...at, n: 2 },
    { k: 'status', ...at, n: 2, status: 200 },
    { k: 'notice', ...at, n: 2, name: 'unavailable', reason: 'upstream' },
    { k: 'close', ...at, n: 2, by: 'server' },
  ]
}

export function withForger(history: readonly Entry[]): Entry[] {
  const head = rows(history).at(-1)?.id ?? ''
  const at = { t: END_MS, c: 'forger', n: 1 }
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'forged-id', stream: FEED },
    { k: 'client', client: 'forger', stream: FEED, form: 'sse', from: 'beginning' },
    { k: 'open', ...at, id: '999999999' },
    { k: 'status', ...at, status: 200 },
    { k: 'notice', ...at, name: 'reset', id: head, reason: 'unknown-id' },
    // What it has brought comes back before the reset; a text that is no id, as a word.
    ...forged('inventor', '1.sluice', '1.sluice', 'history-lost', head),
    ...forged('scribbler', 'no event id', 'unknown', 'unknown-id', head),
    ...forgedLater(history),
  ]
}

/** A client that has an event of the log, and does not bring its id. */
function forgedLater(history: readonly Entry[]): Entry[] {
  const [first] = rows(history)
  const at = (n: number) => ({ t: END_MS, c: 'turncoat', n })
  const [frame, ...rest] = forged(
    'turncoat',
    '2.sluice',
    '2.sluice',
    'history-lost',
    rows(history).at(-1)?.id ?? '',
  )
  return [
    ...(frame ? [frame] : []),
    { k: 'open', ...at(1) },
    { k: 'status', ...at(1), status: 200 },
    { k: 'frame', ...at(1), id: first?.id ?? '', type: first?.type ?? '', h: first?.h.sse ?? '' },
    { k: 'close', ...at(1), by: 'client' },
    ...rest.map(line => ({ ...line, n: 2 }) as Entry),
  ]
}

function forged(c: string, brought: string, returned: string, reason: string, head: string): Entry[] {
  const at = { t: END_MS, c, n: 1 }
  return [
    { k: 'client', client: c, stream: FEED, form: 'sse', from: 'beginning' },
    { k: 'open', ...at, id: brought },
    { k: 'status', ...at, status: 200 },
    { k: 'notice', ...at, name: 'server.state', id: returned },
    { k: 'notice', ...at, name: 'reset', id: head, reason },
  ]
}

/** It had the first event, then retention removed twenty. */
export function withOvertaken(history: readonly Entry[]): Entry[] {
  const all = rows(history)
  const [first] = all
  const base = all[19]?.id ?? ''
  const at = (n: number) => ({ t: END_MS + 2 * n, c: 'overtaken', n })
  return [
    ...history,
    { k: 'fault', t: END_MS + 3, fault: 'retention', stream: FEED, base },
    { k: 'client', client: 'overtaken', stream: FEED, form: 'sse', from: 'beginning' },
    { k: 'open', ...at(1) },
    { k: 'status', ...at(1), status: 200 },
    ...(first ? [frameOf(first, at(1))] : []),
    { k: 'close', ...at(1), by: 'client' },
    { k: 'open', ...at(2), id: first?.id ?? '' },
    { k: 'status', ...at(2), status: 200 },
    { k: 'notice', ...at(2), name: 'reset', id: base, reason: 'retention' },
    ...all.slice(20).map(row => frameOf(row, at(2))),
  ]
}

export function withLeaver(history: readonly Entry[]): Entry[] {
  const own = frames(history, 'c0')
  const at = own.at(-5)
  const gone = new Set<Entry>(own.slice(-4))
  const here = history.filter(each => !gone.has(each) && !(isNoticeOf(each, 'c0') && each.t > (at?.t ?? 0)))
  return [...here, { k: 'left', t: END_MS, c: 'c0' }]
}

function isNoticeOf(entry: Entry, c: string): entry is EntryOf<'notice'> {
  return entry.k === 'notice' && entry.c === c
}

/** Clients have got both as they were. */
export function withChanges(history: readonly Entry[]): Entry[] {
  const all = rows(history)
  const redacted = changed(history, all[8], row => ({ ...row, h: HASHES, redacted: END_MS }))
  return changed(redacted, all[9], row => ({ ...row, h: HASHES, type: 'event.compacted', changed: true }))
}

export function withRecreated(history: readonly Entry[]): Entry[] {
  const events = [{ stream: 'acme/anew', mark: 'anew-0' }]
  return [
    ...history,
    { k: 'log', stream: 'acme/anew', base: '0.bbbbbb' },
    { k: 'started', t: END_MS, publish: 'anew', events },
    { k: 'outcome', t: END_MS + 1, publish: 'anew', outcome: 'acknowledged' },
    { k: 'fault', t: END_MS + 2, fault: 'recreated', stream: 'acme/anew' },
    { k: 'client', client: 'renewed', stream: 'acme/anew', form: 'sse', from: 'beginning' },
    { k: 'open', t: END_MS + 3, c: 'renewed', n: 1, id: '1.cccccc' },
    { k: 'status', t: END_MS + 3, c: 'renewed', n: 1, status: 200 },
    {
      k: 'notice',
      t: END_MS + 3,
      c: 'renewed',
      n: 1,
      name: 'reset',
      id: '0.bbbbbb',
      reason: 'history-lost',
    },
  ]
}

export function withOutage(history: readonly Entry[]): Entry[] {
  const events = [{ stream: FEED, mark: 'refused-0' }]
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'postgres-stopped' },
    { k: 'started', t: END_MS, publish: 'refused', events },
    { k: 'healed', t: END_MS + 10, fault: 'postgres-stopped' },
    { k: 'outcome', t: END_MS + 20_000, publish: 'refused', outcome: 'failed', why: '57P03' },
    { k: 'started', t: END_MS, publish: 'busy', events: [{ stream: FEED, mark: 'busy-0' }] },
    { k: 'outcome', t: END_MS + 10_000, publish: 'busy', outcome: 'failed', why: '503' },
    { k: 'started', t: END_MS, publish: 'silent', events: [{ stream: FEED, mark: 'silent-0' }] },
    { k: 'outcome', t: END_MS + 10_000, publish: 'silent', outcome: 'failed', why: '25P03' },
  ]
}

/** The other one lacks the last event, which the client has and the table has at the end. */
export function withTwoWritable(history: readonly Entry[]): Entry[] {
  const [before, last] = rows(history).slice(-2)
  const at = { t: END_MS, c: 'moved', n: 1 }
  const moved = { ...at, t: END_MS + 10, n: 2 }
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'two-writable' },
    { k: 'client', client: 'moved', stream: FEED, form: 'sse', from: 'now' },
    { k: 'open', ...at },
    { k: 'status', ...at, status: 200 },
    { k: 'notice', ...at, name: 'server.state', id: last?.id ?? '' },
    { k: 'close', ...at, by: 'broken' },
    { k: 'open', ...moved, id: last?.id ?? '' },
    { k: 'status', ...moved, status: 200 },
    { k: 'notice', ...moved, name: 'reset', id: before?.id ?? '', reason: 'history-lost' },
    ...(last ? [frameOf(last, moved)] : []),
    { k: 'healed', t: END_MS + 20, fault: 'two-writable' },
  ]
}

export function withProxyStatus(history: readonly Entry[]): Entry[] {
  const at = { t: END_MS, c: 'proxied', n: 1 }
  const later = { ...at, t: END_MS + 14_000, n: 2 }
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'nginx-reloaded' },
    { k: 'fault', t: END_MS, fault: 'revoked' },
    { k: 'client', client: 'proxied', stream: FEED, form: 'sse', from: 'now' },
    { k: 'open', ...at },
    { k: 'status', ...at, status: 502 },
    { k: 'close', ...at, by: 'server' },
    { k: 'open', ...later },
    { k: 'status', ...later, status: 401 },
    { k: 'close', ...later, by: 'server' },
    { k: 'left', t: later.t, c: 'proxied' },
  ]
}

function frameOf({ id, type, h }: EntryOf<'row'>, at: { t: number; c: string; n: number }): Entry {
  return { k: 'frame', ...at, id, type, h: h.sse ?? '' }
}
