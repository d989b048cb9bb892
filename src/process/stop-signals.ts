/**
 * The signals that ask a process to stop. One Ctrl-C may arrive twice: the terminal sends it to every process in its
 * foreground, and npm, which is one of them, forwards it. So the signals of a second count as one request; a later
 * one is a further request.
 */
export const STOP_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const
export type StopSignal = (typeof STOP_SIGNALS)[number]

const DUPLICATE_MS = 1_000

export interface StopHandlers {
  /** Called once, with the first signal. */
  readonly stop: (signal: StopSignal) => void
  /** Each further request. */
  readonly insist: (signal: StopSignal) => void
}

/** Listens for the signals for as long as the process lives. */
export function onStopSignals({ stop, insist }: StopHandlers): void {
  let last: number | undefined
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      const now = performance.now()
      if (last !== undefined && now - last <= DUPLICATE_MS) return
      const act = last === undefined ? stop : insist
      last = now
      act(signal)
    })
  }
}
