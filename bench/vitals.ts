/**
 * Loaded into the gateway with `--import`, to count what it holds: all timers and sockets that its heap reaches, also those that do
 * not keep the process alive, and its memory after a full garbage collection. The bench asks over IPC.
 */
import { Socket } from 'node:net'
import { queryObjects } from 'node:v8'

/** Timers have no constructor of their own name. */
const timer = setTimeout(() => undefined, 0)
clearTimeout(timer)
const Timer = Object(timer.constructor) as new () => NodeJS.Timeout

/** The resources that a gateway holds. */
export interface Vitals {
  readonly timers: number
  readonly sockets: number
  readonly heapBytes: number
  readonly residentBytes: number
}

process.on('message', message => {
  if (message !== 'vitals') return
  // Each look collects the garbage first.
  const timers = queryObjects(Timer, { format: 'count' })
  const sockets = queryObjects(Socket, { format: 'count' })
  const { heapUsed: heapBytes, rss: residentBytes } = process.memoryUsage()
  process.send?.({ timers, sockets, heapBytes, residentBytes } satisfies Vitals)
})
process.channel?.unref()
