/** The clients, in a process of their own. bench/crowd.ts starts it and sends it orders over IPC. */
import limit from 'p-limit'
import { Listener, type Local, type Target } from './listener.js'
import { now } from './statistics.js'

/** An address has about 28,000 ports that the kernel gives to connections to one server. */
const CLIENTS_OF_FIRST_ADDRESS = 20_000
/** The ports that we give the clients of another address ourselves. */
const PORTS = { first: 10_000, count: 1_000 }

/** The orders of a crowd; one Report answers each. */
export interface OpenOrder extends Target {
  readonly kind: 'open'
  readonly clients: number
  /** Number of connections that are opened at a time. */
  readonly atOnce: number
  readonly stalls: boolean
  readonly returns?: boolean
  readonly elsewhere?: readonly string[]
  readonly notes: boolean
  /** The clients of other processes, which use other ports of this machine. Default 0. */
  readonly others?: number
  /** The start of client i: places[i modulo their number]. */
  readonly places: readonly { readonly first: number; readonly lastEventId?: string }[]
}

export type Order =
  | OpenOrder
  /** Answered when every client has received event n − 1. */
  | { readonly kind: 'await'; readonly next: number }
  /** Makes the stalled clients continue to read. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'report'; readonly since: readonly (readonly number[])[] }

export interface Report {
  readonly fault?: string
  /** When the order was fulfilled. */
  readonly at: number
  /** The arrival of the first event. */
  readonly firstAt: number
  readonly cpuSeconds: number
  readonly events: number
  readonly heartbeats: number
  /** How often a client came back. */
  readonly returned: number
  /** When streams opened again, in ns. */
  readonly reopened: number[]
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
/** A faulty stream never opens and never catches up: nothing waits for it. */
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

async function open({ clients, atOnce, places, others = 0, ...options }: OpenOrder): Promise<void> {
  const slots = limit(atOnce)
  const all = Promise.all(
    Array.from({ length: clients }, (_, client) =>
      slots(() => {
        const listener = new Listener({
          ...options,
          local: localOf(others + client),
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
 * None as long as one address is enough. A further client gets an address and a port: for a socket that is bound to an
 * address alone, Linux searches the ports that are in use, which took nine tenths of the CPU of this process with 10,000
 * clients.
 */
function localOf(client: number): Local | undefined {
  const beyond = client - CLIENTS_OF_FIRST_ADDRESS
  if (beyond < 0) return undefined
  const address = Math.floor(beyond / PORTS.count)
  return {
    localAddress: `127.${1 + Math.floor(address / 200)}.${process.pid % 250}.${1 + (address % 200)}`,
    localPort: PORTS.first + (beyond % PORTS.count),
  }
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
  for (const { arrivals, first } of listeners) {
    for (const [index, at] of arrivals.entries()) {
      const start = since[first + index]
      if (typeof start === 'number') all.push((at - start) / 1e6)
    }
  }
  return Array.from(Float64Array.from(all).sort())
}

function answer(delays: number[][]): void {
  const { user, system } = process.cpuUsage()
  const heartbeats = listeners.reduce((sum, listener) => sum + listener.heartbeats, 0)
  const returned = listeners.reduce((sum, listener) => sum + listener.returned, 0)
  const reopened = listeners.flatMap(listener => listener.reopened)
  const cpuSeconds = (user + system) / 1e6
  const report = { at: now(), firstAt, cpuSeconds, events, heartbeats, returned, reopened, delays }
  process.send?.({ ...report, ...(fault !== undefined && { fault }) } satisfies Report)
}
