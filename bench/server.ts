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
  /** Publishes events `first`, `first + 1`, … with one request; resolves when they are stored. */
  publish(first: number, count?: number, padding?: string): Promise<void>
  cpuSeconds(): Promise<number>
  residentBytes(): Promise<number>
  close(): Promise<void>
}

interface Running {
  readonly child: ChildProcess
  readonly url: string
  readonly viewer?: string
  readonly editor?: string
  /** The body of a publish; default: JSON. */
  readonly bodyOf?: (first: number, count: number, padding?: string) => string
}

export function serverOf({ child, url, viewer = '', editor = '', bodyOf = jsonOf }: Running): Server {
  const pid = child.pid ?? 0
  const headers = { authorization: `Bearer ${editor}`, 'content-type': 'application/json' }
  return {
    url,
    path: '/api/events',
    viewer,
    async publish(first, count = 1, padding = PADDING) {
      const body = bodyOf(first, count, padding)
      const response = await fetch(`${url}/api/events`, { method: 'POST', headers, body })
      const answer = await response.text()
      if (response.status !== 201) throw new Error(`${response.status} ${answer}`)
    },
    cpuSeconds: () => cpuSeconds(pid),
    residentBytes: () => residentBytes(pid),
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
