/** Finds the host in a SharedWorker, which the browser starts once for all tabs. */
import { portLink } from './link.js'
import type { ToHost, ToTab } from './messages.js'
import type { HostFinder } from './tab-session.js'

/**
 * @param open makes the worker, or throws if the browser has none or forbids it.
 * @param otherwise takes over for good if the worker never answers: its script is missing, or a policy blocks it.
 */
export function workerFinder(open: () => SharedWorker, otherwise: HostFinder): HostFinder {
  let worker: SharedWorker | undefined
  let hasAnswered = false
  let hasGivenUp = false
  let onLink: Parameters<HostFinder['start']>[0] = () => {}

  const giveUp = () => {
    if (hasGivenUp) return
    hasGivenUp = true
    worker?.port.close()
    otherwise.start(onLink)
  }
  const connect = () => {
    try {
      worker = open()
    } catch {
      return giveUp()
    }
    const { port } = worker
    worker.onerror = () => !hasAnswered && giveUp()
    port.addEventListener('message', () => {
      hasAnswered = true
    })
    onLink(portLink<ToTab, ToHost>(port))
  }
  return {
    start(listener) {
      onLink = listener
      connect()
    },
    // A worker that has crashed is started again; one that hangs is given up.
    lost(reason) {
      if (hasGivenUp) return otherwise.lost(reason)
      if (!hasAnswered) return giveUp()
      hasAnswered = false
      connect()
    },
    close() {
      worker?.port.close()
      if (hasGivenUp) otherwise.close()
    },
  }
}
