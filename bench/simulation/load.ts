/** The cost of a cluster without a storm: arithmetic on the measured figures. */
import { FIGURES } from './figures.js'

/** Clients of streams, spread over nodes at random. */
export interface Load {
  readonly nodes: number
  readonly clients: number
  readonly streams: number
  /** Of all streams together. */
  readonly eventsPerSecond: number
  readonly heartbeatMs: number
}

/** Nodes that follow a stream: those that have at least one of its clients. */
export function followersOf({ nodes, clients, streams }: Load): number {
  return nodes * (1 - (1 - 1 / nodes) ** (clients / streams))
}

/** The share of a core that a node needs to serve its clients. */
export function busyShare(load: Load): number {
  const { nodes, clients, streams, eventsPerSecond, heartbeatMs } = load
  const eventsPerClient = eventsPerSecond / streams
  const eachMs = eventsPerClient * FIGURES.deliveryMs + FIGURES.heartbeatMs / (heartbeatMs / 1_000)
  return (clients / nodes) * (eachMs / 1_000)
}

/** Bytes of a gateway. */
export function memoryOf(clients: number): number {
  return FIGURES.memory.gateway + clients * FIGURES.memory.client
}
