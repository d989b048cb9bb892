/**
 * Keeps a process from repeating requests to a host that does not answer, for every caller that wants something of it.
 *
 * A breaker is **closed** at first: requests pass. As long as the host has not answered since its last failure, only a few may
 * be under way at once, so a host that is dead from the start costs a few time-outs, however many callers it has. After as many
 * failures in a row it is **open**: nothing passes. When the pause is over, the next request passes as the one probe, and the
 * breaker is **half-open**: nothing else passes until the probe has ended. A success closes it; a failure opens it for twice as
 * long. Nobody waits for a breaker: a caller that is held back gets the time at which to ask again.
 */
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
} from 'cockatiel'
import { LRUCache } from 'lru-cache'

export interface BreakerOptions {
  /** Failures in a row that open a breaker, and requests at once to a host that has not answered yet. Default 5. */
  readonly threshold?: number
  /** The first pause of an open breaker, in milliseconds. Default 5,000. */
  readonly minPauseMs?: number
  /** The longest pause, in milliseconds. Default 60,000. */
  readonly maxPauseMs?: number
  /** How soon a caller asks again while requests or a probe are under way, in milliseconds. Default 250. */
  readonly askAgainMs?: number
  /** Breakers that are kept, 1.7 KB each; beyond it the least recently used is forgotten, which closes it. Default 10,000. */
  readonly kept?: number
}

/** The pauses of an open breaker, as cockatiel asks for them. */
interface Pause {
  readonly duration: number
  next(): Pause
}

interface Verdict<Result> {
  readonly result: Result
  readonly failed: boolean
}

/** The verdict of a result on the host: it answers, or it does not and why. Undecided results leave a closed breaker as it is. */
export type Health = 'answers' | 'undecided' | { readonly failure: string }

export interface Breaker {
  /** When to ask again, in milliseconds since 1970; undefined if a request may be made now. */
  heldUntil(): number | undefined
  /** The last failure in words; undefined if the host has answered since. */
  readonly failure: string | undefined
  /**
   * Runs `work` and judges its result. A rejection counts as undecided.
   * @throws {Error} if the breaker holds requests back: call it in the turn in which `heldUntil` allowed it.
   */
  run<Result>(work: () => Promise<Result>, healthOf: (result: Result) => Health): Promise<Result>
}

/** The breakers of a process, by what they guard, such as the origin of a URL. */
export class Breakers {
  readonly #options: Required<BreakerOptions>
  readonly #breakers: LRUCache<string, HostBreaker>

  constructor(options: BreakerOptions = {}) {
    this.#options = {
      threshold: 5,
      minPauseMs: 5_000,
      maxPauseMs: 60_000,
      askAgainMs: 250,
      kept: 10_000,
      ...options,
    }
    this.#breakers = new LRUCache({ max: this.#options.kept })
  }

  of(key: string): Breaker {
    const known = this.#breakers.get(key)
    if (known) return known
    const breaker = new HostBreaker(this.#options)
    this.#breakers.set(key, breaker)
    return breaker
  }

  /** Breakers that hold requests back at present. Costs as much as breakers are kept. */
  get open(): number {
    let open = 0
    for (const breaker of this.#breakers.values()) if (breaker.isOpen) open++
    return open
  }
}

class HostBreaker implements Breaker {
  readonly #options: Required<BreakerOptions>
  readonly #policy: CircuitBreakerPolicy
  #pauseMs = 0
  #openUntil = 0
  #running = 0
  #answers = false
  failure: string | undefined

  constructor(options: Required<BreakerOptions>) {
    this.#options = options
    this.#policy = circuitBreaker(
      handleWhenResult(verdict => (verdict as Verdict<unknown>).failed),
      {
        breaker: new ConsecutiveBreaker(options.threshold),
        halfOpenAfter: { next: () => this.#pause(options.minPauseMs) },
      },
    )
    this.#policy.onBreak(() => {
      this.#openUntil = Date.now() + this.#pauseMs
    })
  }

  get isOpen(): boolean {
    return this.#policy.state !== CircuitState.Closed
  }

  heldUntil(): number | undefined {
    const now = Date.now()
    if (this.#policy.state === CircuitState.Open) return now < this.#openUntil ? this.#openUntil : undefined
    const isHeld =
      this.#policy.state === CircuitState.HalfOpen ||
      (!this.#answers && this.#running >= this.#options.threshold)
    return isHeld ? now + this.#options.askAgainMs : undefined
  }

  async run<Result>(work: () => Promise<Result>, healthOf: (result: Result) => Health): Promise<Result> {
    if (this.heldUntil() !== undefined) throw new Error('The circuit breaker holds requests back.')
    this.#running++
    try {
      const { result } = await this.#policy.execute(async () => this.#judged(await work(), healthOf))
      return result
    } finally {
      this.#running--
    }
  }

  #judged<Result>(result: Result, healthOf: (result: Result) => Health): Verdict<Result> {
    const health = healthOf(result)
    if (health === 'answers') {
      this.#answers = true
      this.failure = undefined
    } else if (health !== 'undecided') {
      this.#answers = false
      this.failure = health.failure
    }
    // An undecided probe has not shown that the host answers.
    const isProbe = this.#policy.state === CircuitState.HalfOpen
    return { result, failed: health === 'undecided' ? isProbe : health !== 'answers' }
  }

  #pause(ms: number): Pause {
    this.#pauseMs = ms
    return { duration: ms, next: () => this.#pause(Math.min(ms * 2, this.#options.maxPauseMs)) }
  }
}
