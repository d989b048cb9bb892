/**
 * A client for which bytes wait, and whose socket takes none. Either it reads nothing, or so slowly that its kernel buffer has no room
 * to report (src/network/send-queues.ts). The sink asks once soon, and once before the client would be cut off: if the kernel holds
 * another number of bytes then, the client has read.
 */

/** The first look, in milliseconds without progress: most clients that are full have room again before. */
export const FIRST_LOOK_MS = 5_000
/** The look that decides. */
const LAST_LOOK_MS = 25_000

/** @returns the bytes that the kernel holds for the client; undefined if nobody knows. Never rejects. */
export type Look = () => Promise<number | undefined>

export class SlowReader {
  readonly #look: Look
  #held: number | undefined
  #looks = false
  #isDecided = false
  #hasRead = false

  constructor(look: Look) {
    this.#look = look
  }

  /** Whether an answer is awaited, before which nothing should be decided. */
  get isLooking(): boolean {
    return this.#looks
  }

  /** Whether the client has read since the last call that returned true. */
  hasRead(): boolean {
    const had = this.#hasRead
    this.#hasRead = false
    return had
  }

  /** Looks if it is time. @param stalledMs milliseconds since the client is known to have read. */
  check(stalledMs: number): void {
    const dueMs = this.#held === undefined ? FIRST_LOOK_MS : LAST_LOOK_MS
    if (this.#looks || this.#isDecided || stalledMs < dueMs) return
    this.#looks = true
    void this.#compare()
  }

  async #compare(): Promise<void> {
    const held = await this.#look()
    this.#looks = false
    if (this.#held === undefined || held === undefined) this.#isDecided = held === undefined
    else if (held === this.#held) this.#isDecided = true
    else this.#hasRead = true
    this.#held = held ?? this.#held
  }
}
