/**
 * Notices that the device or the page has become usable again: it is online, visible, no longer frozen, or awake after
 * sleep.
 */

const LOOK_MS = 5_000
/** A timer that is this much too late was stopped together with the machine. */
const LATE_MS = 10_000

/** The part of a page's globals that this file uses; other environments lack some. */
interface Page {
  readonly setTimeout: unknown
  readonly document?: { readonly visibilityState: string } & Target
  readonly addEventListener?: Target['addEventListener']
}

interface Target {
  addEventListener(type: string, listener: () => void, options: { signal: AbortSignal }): void
}

/** Calls `listener` at each wake, until the function that it returns is called. It keeps no process alive. */
export function onWake(listener: () => void): () => void {
  const page: Page = globalThis
  const { document } = page
  const over = new AbortController()
  page.addEventListener?.('online', listener, over)
  // Fired in a page that the browser had frozen.
  document?.addEventListener('resume', listener, over)
  document?.addEventListener(
    'visibilitychange',
    () => document.visibilityState === 'visible' && listener(),
    over,
  )
  let timer: ReturnType<typeof setTimeout>
  const look = () => {
    const due = Date.now() + LOOK_MS
    timer = setTimeout(() => {
      if (Date.now() - due > LATE_MS) listener()
      look()
    }, LOOK_MS)
    // Node's timers keep the process alive; those of browsers are numbers.
    if (typeof timer === 'object') timer.unref()
  }
  look()
  return () => {
    over.abort()
    clearTimeout(timer)
  }
}
