/**
 * Is loaded into each gateway of a run before its program: what a test may want of a process and the product does not offer. Its
 * parent asks over the channel that ends the process with its parent.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

/** `block`: the event loop does nothing else for so long. `measure`: what the process uses, after its garbage is gone. */
export type Order = { readonly block: number } | { readonly measure: number }

/** The answer to `measure`, with its number. Sockets and timers are those that are open; memory in MiB. */
export interface Measured {
  readonly measured: number
  readonly measures: {
    readonly sockets: number
    readonly timers: number
    readonly heap: number
    readonly rss: number
  }
}

const SOCKETS = ['TCPSocketWrap', 'PipeWrap', 'TLSWrap']
const MIB = 2 ** 20

if (isMainThread && process.send) {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  process.on('message', (order: Order) => {
    if ('block' in order) blockTheEventLoop(order.block)
    else {
      if (typeof collect === 'function') collect()
      process.send?.(measured(order.measure))
    }
  })
  // It must not keep the process alive.
  process.channel?.unref()
}

function measured(measured: number): Measured {
  const resources = process.getActiveResourcesInfo()
  const { heapUsed, rss } = process.memoryUsage()
  const count = (names: readonly string[]) => resources.filter(name => names.includes(name)).length
  return {
    measured,
    measures: {
      sockets: count(SOCKETS),
      timers: count(['Timeout', 'Immediate']),
      heap: Math.round(heapUsed / MIB),
      rss: Math.round(rss / MIB),
    },
  }
}

/** The watchdog logs this name. */
function blockTheEventLoop(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}
