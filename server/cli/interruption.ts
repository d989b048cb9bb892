/** Ctrl-C for a command that has something to finish first. The second signal ends the process at once. */
import { constants } from 'node:os'
import { onStopSignals, type StopSignal } from '../../src/process/stop-signals.js'

export class Interruption {
  #controller: AbortController | undefined

  /** Listens for the signals from the first call on. */
  signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    this.#controller = controller
    onStopSignals({
      stop: signal => controller.abort(new Interrupted(signal)),
      insist: signal => process.exit(codeOf(signal)),
    })
    return controller.signal
  }

  /** The exit code of a command that was interrupted; undefined if it was not. */
  get exitCode(): number | undefined {
    const reason: unknown = this.#controller?.signal.reason
    return reason instanceof Interrupted ? codeOf(reason.signal) : undefined
  }
}

export class Interrupted extends Error {
  readonly signal: StopSignal

  constructor(signal: StopSignal) {
    super(`The command was interrupted by ${signal}.`)
    this.signal = signal
  }
}

function codeOf(signal: StopSignal): number {
  return 128 + constants.signals[signal]
}
