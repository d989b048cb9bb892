/**
 * Exponential back-off: the first pause is `minMs`, each further one is twice as long, up to `maxMs`. `reset` starts again at
 * `minMs`. Jitter keeps processes that failed together from retrying together.
 */

export interface BackoffOptions {
  /** The first pause, in milliseconds. */
  readonly minMs: number
  /** The longest pause, in milliseconds. */
  readonly maxMs: number
  /** Share of each pause that is random, 0 to 1: 0.5 means half to all of the pause. Default 0.5. */
  readonly jitter?: number
  /** Default Math.random. */
  readonly random?: () => number
}

export class Backoff {
  readonly #options: Required<BackoffOptions>
  #pauseMs: number

  constructor(options: BackoffOptions) {
    this.#options = { jitter: 0.5, random: Math.random, ...options }
    this.#pauseMs = options.minMs
  }

  /** The next pause, in milliseconds. */
  next(): number {
    const { maxMs, jitter, random } = this.#options
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(pauseMs * 2, maxMs)
    return jittered(pauseMs, jitter, random)
  }

  /** To be called after a success. */
  reset(): void {
    this.#pauseMs = this.#options.minMs
  }
}

/** Shortens `ms` at random, by up to `jitter` of it (0 to 1). */
export function jittered(ms: number, jitter: number, random: () => number = Math.random): number {
  return ms * (1 - jitter * random())
}
