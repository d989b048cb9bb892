/** A server under measurement, in its own process: the gateway or a baseline. It receives events by POST. */
import type { ChildProcess } from 'node:child_process'
import { stop } from './child.js'
import { cpuSeconds, residentBytes } from './process-usage.js'

/** With its id and name an event is about 230 bytes on the wire. */
export const PADDING = 'x'.repeat(150)

export interface Server {
  readonly url: string
  /** Path of the event stream, and the token that it requires. */
  readonly path: string
  readonly viewer: string
  /** The text by which a client knows that its stream is open. */
  readonly greeting: string
  /** Publishes events `first`, `first + 1`, … with one request; resolves when they are stored. */
  publish(first: number, count?: number, padding?: string): Promise<void>
  cpuSeconds(): Promise<number>
  /** CPU of the server and of its database. */
  wholeCpuSeconds(): Promise<number>
  residentBytes(): Promise<number>
  close(): Promise<void>
}

interface Running {
  readonly child: ChildProcess
  readonly url: string
  /** Default: those of the gateway. */
  readonly path?: string
  readonly greeting?: string
  readonly viewer?: string
  readonly editor?: string
  /** The body of a publish; default: JSON. */
  readonly bodyOf?: (first: number, count: number, padding?: string) => string
  /** Where and how it is sent; default: as to the gateway. */
  readonly publishPath?: string
  readonly headers?: Readonly<Record<string, string>>
  /** CPU and memory of the server; default: of the process alone. */
  readonly cpu?: (pid: number) => Promise<number>
  readonly resident?: (pid: number) => Promise<number>
  /** The CPU of its database, in seconds; default: it has none. */
  readonly databaseCpu?: () => Promise<number>
}

export function serverOf({
  child,
  url,
  path = '/api/events',
  greeting = 'server.state',
  viewer = '',
  editor = '',
  bodyOf = jsonOf,
  publishPath = path,
  headers = { 'content-type': 'application/json' },
  cpu = cpuSeconds,
  resident = residentBytes,
  databaseCpu = async () => 0,
}: Running): Server {
  const pid = child.pid ?? 0
  const allHeaders = { authorization: `Bearer ${editor}`, ...headers }
  return {
    url,
    path,
    viewer,
    greeting,
    async publish(first, count = 1, padding = PADDING) {
      const body = bodyOf(first, count, padding)
      const response = await fetch(`${url}${publishPath}`, { method: 'POST', headers: allHeaders, body })
      const answer = await response.text()
      if (!response.ok) throw new Error(`${response.status} ${answer}`)
    },
    cpuSeconds: () => cpu(pid),
    wholeCpuSeconds: async () => (await cpu(pid)) + (await databaseCpu()),
    residentBytes: () => resident(pid),
    close: () => stop(child),
  }
}

export function eventsOf(first: number, count: number, padding = PADDING) {
  return Array.from({ length: count }, (_, index) => ({
    type: 'tick',
    data: { n: first + index, padding },
  }))
}

function jsonOf(first: number, count: number, padding?: string): string {
  const events = eventsOf(first, count, padding)
  return JSON.stringify(count === 1 ? events[0] : events)
}
