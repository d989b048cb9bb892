/**
 * Loaded into the gateway with `--import`, to measure the delays of its event loop: a timer that is due every
 * millisecond is late by the length of the turn that it had to wait for. The CPU of the thread distinguishes a long
 * turn from one in which the machine did not run the gateway. The bench asks over IPC; each answer starts a new
 * measurement.
 */
import { openSync, readSync } from 'node:fs'

const EVERY_MS = 1
/** The main thread only: its nanoseconds on a processor, then other values. Linux only. */
const SCHEDSTAT = openSync('/proc/self/schedstat', 'r')
const buffer = Buffer.alloc(128)

/** One turn, in milliseconds; the two values may come from different turns. */
export interface Turns {
  readonly longest: number
  readonly mostCpu: number
}

let longest = 0
let mostCpu = 0
let last = { at: performance.now(), cpu: cpuMs() }

setInterval(() => {
  const next = { at: performance.now(), cpu: cpuMs() }
  longest = Math.max(longest, next.at - last.at)
  mostCpu = Math.max(mostCpu, next.cpu - last.cpu)
  last = next
}, EVERY_MS).unref()

process.on('message', message => {
  if (message !== 'turns') return
  process.send?.({ longest, mostCpu } satisfies Turns)
  longest = 0
  mostCpu = 0
})
process.channel?.unref()

function cpuMs(): number {
  const length = readSync(SCHEDSTAT, buffer, 0, buffer.length, 0)
  return Number.parseInt(buffer.toString('latin1', 0, length), 10) / 1e6
}
