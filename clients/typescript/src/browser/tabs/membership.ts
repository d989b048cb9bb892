/** One connection of a tab, as the host serves it: first the admission, then frames, until its end. */
import type { Filter, Frame, ToTab } from './messages.js'

type Message = Extract<ToTab, { feed: number }>
export type Admission = Exclude<Message, { kind: 'frame' }>

export interface MembershipHooks {
  /** The tab has consumed this many frames since the last call. */
  consumed(count: number): void
  leave(): void
}

/** A tab reports after this many frames: a fraction of the number that it may have unconsumed. */
const REPORT_EVERY = 32

/** It holds what the host allows a tab to have unconsumed, and no more (shared-feed.ts). */
export class Membership {
  /** Its number in the messages; another one for each host that it asks. */
  feed = 0
  isAdmitted = false
  readonly #frames: Frame[] = []
  #consumed = 0
  #isEnded = false
  #wake: (() => void) | undefined
  #admit: ((answer: Admission) => void) | undefined
  /** Resolves when the host has answered: with `joined`, or with why it did not admit the tab. */
  readonly admission = new Promise<Admission>(resolve => {
    this.#admit = resolve
  })

  constructor(
    readonly filter: Filter,
    readonly hooks: MembershipHooks,
  ) {}

  /** A message of the host. */
  take(message: Message): void {
    if (message.kind === 'frame') this.#frames.push(message.frame)
    else {
      if (message.kind === 'joined') this.isAdmitted = true
      else this.#isEnded = true
      this.#admit?.(message)
    }
    this.#wake?.()
  }

  /** @returns the next frame; undefined at the end. A frame counts as consumed when the next one is asked for. */
  async *frames(): AsyncGenerator<Frame, void> {
    while (true) {
      const frame = this.#frames.shift()
      if (frame) {
        yield frame
        this.#consumed += 1
        if (this.#frames.length > 0 && this.#consumed < REPORT_EVERY) continue
        this.hooks.consumed(this.#consumed)
        this.#consumed = 0
      } else if (this.#isEnded) return
      else {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
      }
    }
  }

  /** Frames that have arrived are gone too: those that follow them would be missing. */
  leave(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#frames.length = 0
    this.hooks.leave()
    this.#wake?.()
  }
}
