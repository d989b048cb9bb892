/** Histories of clients that name their places by positions, as those of Durable Streams do, and nothing is wrong: as clean-histories.ts. */
import { type CleanHistory, END_MS } from './clean-histories.js'
import type { Entry, EntryOf } from './history.js'
import { lostIds, rows } from './planted-bugs.js'

const ORDERS = 'acme/orders'

export const CLEAN_DURABLE_HISTORIES: readonly CleanHistory[] = [
  { name: 'a client that brings its position alone passes over a loss', make: withBlind },
  { name: 'a client that brings its position alone is beyond the head after a loss', make: withBeyond },
  { name: 'a client that brings its position alone may have had the lost event there', make: withDoubted },
  { name: 'a client whose URL has its place is refused without an id', make: withPlaceInUrl },
  { name: 'lost events were sent again, and got their positions', make: withTwins },
  { name: 'a worker acknowledges the position of a lost event', make: withBlindWorker },
  { name: 'an append comes after a newer epoch of its producer', make: withFenced },
]

/** It had a lost event, and continues after the position of it. */
export function withBlind(history: readonly Entry[]): Entry[] {
  const { fork, lost, stored } = placesOf(history)
  const [first] = lost
  const [one, other] = [at('blind', 1), at('blind', 2)]
  return [
    ...history,
    { k: 'client', client: 'blind', stream: ORDERS, form: 'sse', from: 'now' },
    ...opened(one),
    { k: 'notice', ...one, name: 'control', id: fork },
    ...(first ? [frameOf(first, one)] : []),
    { k: 'close', ...one, by: 'client' },
    ...opened(other, position(first)),
    ...stored.slice(1).map(row => frameOf(row, other)),
  ]
}

/** It had a lost event, to whose position the new history had not come when it asked. */
export function withBeyond(history: readonly Entry[]): Entry[] {
  const { fork, lost, stored } = placesOf(history)
  const [, , third] = lost
  const [one, other, last] = [at('beyond', 1), at('beyond', 2), at('beyond', 3)]
  return [
    ...history,
    { k: 'client', client: 'beyond', stream: ORDERS, form: 'sse', from: 'now' },
    ...opened(one),
    { k: 'notice', ...one, name: 'control', id: fork },
    ...lost.map(row => frameOf(row, one)),
    { k: 'close', ...one, by: 'client' },
    { k: 'open', ...other, id: position(third) },
    { k: 'status', ...other, status: 410 },
    { k: 'notice', ...other, name: 'reset', id: fork, reason: 'unknown-id' },
    { k: 'close', ...other, by: 'server' },
    ...opened(last, fork),
    ...stored.map(row => frameOf(row, last)),
  ]
}

/** It had the stored event of a position, and is asked to begin again by a gateway that knows the lost one. */
export function withDoubted(history: readonly Entry[]): Entry[] {
  const { fork, stored } = placesOf(history)
  const [first] = stored
  const [one, other, last] = [at('doubted', 1), at('doubted', 2), at('doubted', 3)]
  return [
    ...history,
    { k: 'client', client: 'doubted', stream: ORDERS, form: 'sse', from: 'now' },
    ...opened(one),
    { k: 'notice', ...one, name: 'control', id: fork },
    ...(first ? [frameOf(first, one)] : []),
    { k: 'close', ...one, by: 'client' },
    { k: 'open', ...other, id: position(first) },
    { k: 'status', ...other, status: 410 },
    { k: 'notice', ...other, name: 'reset', id: fork, reason: 'history-lost' },
    { k: 'close', ...other, by: 'server' },
    ...opened(last, fork),
    ...stored.map(row => frameOf(row, last)),
  ]
}

export function withPlaceInUrl(history: readonly Entry[]): Entry[] {
  const { fork, stored } = placesOf(history)
  const [one, other] = [at('by its URL', 1), at('by its URL', 2)]
  return [
    ...history,
    { k: 'fault', t: END_MS, fault: 'gateway-stopped' },
    { k: 'client', client: 'by its URL', stream: ORDERS, form: 'durable', from: 'now' },
    ...opened(one, fork),
    { k: 'notice', ...one, name: 'unavailable', reason: 'draining' },
    { k: 'close', ...one, by: 'server' },
    ...opened(other, fork),
    { k: 'notice', ...other, name: 'control', id: stored.at(-1)?.id ?? '' },
  ]
}

/** The first two lost events have the bytes of the stored ones at their positions. Clients get them by positions, and are reset later. */
export function withTwins(history: readonly Entry[]): Entry[] {
  const { fork, lost, stored } = placesOf(history)
  const hashes = new Map(lost.slice(0, 2).map(({ id, h }, n) => [id, { old: h, h: stored[n]?.h ?? {} }]))
  const same = history.map((each): Entry => {
    const bytes = each.k === 'row' || each.k === 'frame' ? hashes.get(each.id) : undefined
    if (each.k === 'row' && bytes) return { ...each, h: bytes.h }
    if (each.k !== 'frame' || !bytes) return each
    return { ...each, h: (each.h === bytes.old.sse ? bytes.h.sse : bytes.h.ndjson) ?? '' }
  })
  const [first, second, third] = lost.map(row => ({ ...row, h: hashes.get(row.id)?.h ?? row.h }))
  const received = {
    'by two positions': [bare(first), bare(second), third],
    'by a position after an id': [first, bare(second), third],
    'by a position alone': [bare(first)],
  }
  return [
    ...same,
    ...Object.entries(received).flatMap(([c, events]): Entry[] => [
      { k: 'client', client: c, stream: ORDERS, form: 'sse', from: 'now' },
      ...opened(at(c, 1)),
      { k: 'notice', ...at(c, 1), name: 'control', id: fork },
      ...events.flatMap(row => (row ? [frameOf(row, at(c, 1))] : [])),
      { k: 'notice', ...at(c, 1), name: 'reset', id: stored.at(-1)?.id ?? '', reason: 'history-lost' },
    ]),
  ]
}

export function withBlindWorker(history: readonly Entry[]): Entry[] {
  const { fork, lost, stored } = placesOf(history)
  const [first] = lost
  const worker = { t: END_MS, consumer: 'acme/worker' }
  const handed = ({ id, type, h }: EntryOf<'row'>): Entry => {
    return { k: 'handed', ...worker, n: 1, id, type, h: h.ndjson ?? '' }
  }
  const acknowledged = (a: number, id = ''): Entry[] => [
    { k: 'acking', ...worker, a, epoch: 1, id },
    { k: 'acked', ...worker, a, status: 200 },
  ]
  return [
    ...history,
    {
      k: 'consumer',
      consumer: worker.consumer,
      stream: ORDERS,
      form: 'ndjson',
      start: fork,
      maxInFlight: 99,
      isBlind: true,
    },
    { k: 'held', ...worker, n: 1, holder: 'one', epoch: 1, asked: END_MS },
    ...(first ? [handed(first)] : []),
    ...acknowledged(1, first?.id),
    ...stored.slice(1).map(handed),
    ...acknowledged(2, stored.at(-1)?.id),
    { k: 'cursor', ...worker, position: Number(position(stored.at(-1))) },
  ]
}

/** One of them was stored after all, because a lost tail had taken the newer epoch. */
export function withFenced(history: readonly Entry[]): Entry[] {
  const events = [{ stream: 'acme/feed', mark: 'late-0' }]
  return [
    ...history.map(
      (each): Entry =>
        each.k === 'outcome' && each.publish === 'after0'
          ? { ...each, outcome: 'failed', why: 'fenced' }
          : each,
    ),
    { k: 'started', t: END_MS, publish: 'late', events },
    { k: 'outcome', t: END_MS + 1, publish: 'late', outcome: 'failed', why: 'fenced' },
  ]
}

/** The events of the orders at which a tail was lost. */
export function placesOf(history: readonly Entry[]) {
  const ids = lostIds(history)
  const all = history.filter((each): each is EntryOf<'row'> => each.k === 'row' && each.stream === ORDERS)
  const lost = all.filter(({ id }) => ids.has(id))
  const fork = lost[0]?.after ?? ''
  const kept = rows(history, ORDERS).filter(({ id }) => !ids.has(id))
  return { fork, lost, stored: kept.slice(kept.findIndex(({ id }) => id === fork) + 1) }
}

/** Its position alone. */
function bare<Row extends EntryOf<'row'>>(row: Row | undefined): Row | undefined {
  return row && { ...row, id: position(row) }
}

function position(row: EntryOf<'row'> | undefined): string {
  return row?.id.split('.')[0] ?? ''
}

function at(c: string, n: number) {
  return { t: END_MS + n, c, n }
}

function opened(to: ReturnType<typeof at>, id?: string): Entry[] {
  return [
    { k: 'open', ...to, ...(id !== undefined && { id }) },
    { k: 'status', ...to, status: 200 },
  ]
}

function frameOf({ id, type, h }: EntryOf<'row'>, to: ReturnType<typeof at>): Entry {
  return { k: 'frame', ...to, id, type, h: h.sse ?? '' }
}
