/** The clients, in a process of their own, started by bench/crowd.ts, which says over IPC what they shall do. */
import limit from 'p-limit'
import { Listener, type Target } from './listener.js'
import { now } from './statistics.js'

/** Ports of one address to one server are some 28,000. */
const CLIENTS_PER_ADDRESS = 20_000

/** What a crowd is told to do; each order is answered by one Report. */
export interface OpenOrder extends Target {
  readonly kind: 'open'
  readonly clients: number
  /** Connections that are being opened at a time. */
  readonly atOnce: number
  readonly stalls: boolean
  readonly notes: boolean
  /** Where client i starts: places[i modulo their number]. */
  readonly places: readonly { readonly first: number; readonly lastEventId?: string }[]
}

export type Order =
  | OpenOrder
  /** Answered when every client has had event n − 1. */
  | { readonly kind: 'await'; readonly next: number }
  /** Those that stalled read on. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'report'; readonly since: readonly (readonly number[])[] }

export interface Report {
  readonly fault?: string
  /** When the order was fulfilled. */
  readonly at: number
  /** When the first event came. */
  readonly firstAt: number
  readonly cpuSeconds: number
  readonly events: number
  readonly heartbeats: number
  /** For each array in `since`: arrival of event n less since[n], in ms, of all clients together, sorted. */
  readonly delays: number[][]
}

const listeners: Listener[] = []
let fault: string | undefined
let events = 0
let firstAt = 0
let awaited = Number.POSITIVE_INFINITY
let behind = 0
let caughtUp: () => void = () => {}
let breakOff: () => void = () => {}
/** A stream that went wrong never opens, nor catches up: nobody waits for it. */
const broken = new Promise<void>(resolve => {
  breakOff = resolve
})

process.on('message', (order: Order) => void obey(order))

async function obey(order: Order): Promise<void> {
  if (order.kind === 'open') await open(order)
  else if (order.kind === 'resume') for (const listener of listeners) listener.resume()
  else if (order.kind === 'await') await everybodyAt(order.next)
  answer(order.kind === 'report' ? order.since.map(delays) : [])
}

async function open({ clients, atOnce, places, ...options }: OpenOrder): Promise<void> {
  const slots = limit(atOnce)
  const all = Promise.all(
    Array.from({ length: clients }, (_, client) =>
      slots(() => {
        const listener = new Listener({
          ...options,
          localAddress: addressOf(client),
          ...(places[client % places.length] ?? { first: 0 }),
          onEvent,
          onFault,
        })
        listeners.push(listener)
        return listener.open
      }),
    ),
  )
  await Promise.race([all, broken])
}

/**
 * None as long as one address will do: for a socket that is bound to one before it is connected, Linux looks through the
 * ports that are taken, which was nine tenths of this process's work with 10,000 of them.
 */
function addressOf(client: number): string | undefined {
  const address = Math.floor(client / CLIENTS_PER_ADDRESS)
  return address === 0 ? undefined : `127.0.0.${1 + address}`
}

function onEvent({ next }: Listener): void {
  if (events === 0) firstAt = now()
  events += 1
  if (next !== awaited) return
  behind -= 1
  if (behind === 0) caughtUp()
}

function onFault(reason: string): void {
  fault ??= reason
  breakOff()
}

async function everybodyAt(next: number): Promise<void> {
  awaited = next
  behind = listeners.filter(listener => listener.reads && listener.next < next).length
  if (behind === 0) return
  const all = new Promise<void>(resolve => {
    caughtUp = resolve
  })
  await Promise.race([all, broken])
}

function delays(since: readonly number[]): number[] {
  const all: number[] = []
  for (const { arrivals } of listeners) {
    for (const [n, at] of arrivals.entries()) {
      const start = since[n]
      if (typeof start === 'number') all.push((at - start) / 1e6)
    }
  }
  return Array.from(Float64Array.from(all).sort())
}

function answer(delays: number[][]): void {
  const { user, system } = process.cpuUsage()
  const heartbeats = listeners.reduce((sum, listener) => sum + listener.heartbeats, 0)
  const report = { at: now(), firstAt, cpuSeconds: (user + system) / 1e6, events, heartbeats, delays }
  process.send?.({ ...report, ...(fault !== undefined && { fault }) } satisfies Report)
}
