/**
 * The claim of this process to slots of one key: a principal, a workspace or an address that has more streams open here than
 * a hundredth of the cap.
 *
 *   asking ── all granted ──▶ granted ── more streams open ──▶ asking
 *      └── too few granted for 10 s: the newest streams are withdrawn ──▶ full
 *   full ── slots are free, or nobody has tried for 10 s, or the database is away ──▶ asking
 *
 * While it is asking, streams open and stay open: the slots that are missing may belong to a process that was killed, or that
 * has not noticed yet that its client has moved here. While it is full, further streams are refused at once, and each refusal
 * asks again.
 */
import type { StreamLimit, StreamSlot } from './stream-slot.js'

/** Longer than the slots of a killed process count (6 s, in the database) and the time until the next question. */
const GRACE_MS = 10_000
const FULL_MS = 10_000
const ASK_AGAIN_MS = 1_000
/** Slots that a process uses without a claim, as a share of the cap. */
const UNCLAIMED_SHARE = 0.01

/** The answer of the database. */
export interface Grant {
  /** The slots that this process has now. */
  readonly granted: number
  /** The slots that no process has. */
  readonly free: number
}

export class SlotClaim {
  readonly limit: StreamLimit
  readonly key: string
  readonly cap: number
  /** Slots that were taken while too few were granted, the newest last. */
  readonly #unconfirmed = new Set<StreamSlot>()
  /** Withdrawn slots whose streams have not ended yet: a slow client keeps its stream for a while. */
  readonly #ending = new Set<StreamSlot>()
  #open = 0
  #granted = 0
  #askedAt: number | undefined
  #waits = false
  #shortSince: number | undefined
  #fullUntil = 0
  #refused = false

  constructor(limit: StreamLimit, key: string, cap: number) {
    this.limit = limit
    this.key = key
    this.cap = cap
  }

  /** The slots to ask for; 0 gives all of them back. */
  get wanted(): number {
    return this.#open > unclaimed(this.cap) ? this.#open : 0
  }

  /** Whether the database grants too few slots, or more than are needed. */
  get isDue(): boolean {
    return this.#excess > 0 || this.hasSpare
  }

  /** Whether the database grants more slots than are needed, which others may need. */
  get hasSpare(): boolean {
    return this.#granted > this.wanted
  }

  /** Whether to ask again now for the slots that were not granted. */
  asksAgain(now: number): boolean {
    return this.#shortSince !== undefined && now - (this.#askedAt ?? 0) >= ASK_AGAIN_MS
  }

  /** Whether time alone can change the claim. */
  isUnsettled(now: number): boolean {
    return this.#shortSince !== undefined || now < this.#fullUntil
  }

  /** Whether the claim can be forgotten. */
  isIdle(now: number): boolean {
    return !this.#waits && this.wanted === 0 && this.#granted === 0 && !this.isUnsettled(now)
  }

  opened(open: number, slot: StreamSlot): void {
    this.#open = open
    if (this.#excess > 0) this.#unconfirmed.add(slot)
  }

  closed(open: number, slot: StreamSlot): void {
    this.#open = open
    this.#unconfirmed.delete(slot)
    this.#ending.delete(slot)
  }

  /** Whether a further stream is refused. */
  refuses(now: number): boolean {
    if (now >= this.#fullUntil || this.#excess < 0) return false
    this.#refused = true
    return true
  }

  asked(now: number): void {
    this.#askedAt = now
    this.#waits = true
  }

  /** @returns the slots to withdraw. */
  answered({ granted, free }: Grant, now: number): StreamSlot[] {
    this.#waits = false
    this.#granted = granted
    if (free > 0) this.#fullUntil = 0
    else if (this.#refused) this.#fullUntil = now + FULL_MS
    this.#refused = false
    if (this.#excess <= 0) {
      this.#shortSince = undefined
      this.#unconfirmed.clear()
      return []
    }
    this.#shortSince ??= now
    if (free > 0 || now - this.#shortSince < GRACE_MS) return []
    this.#fullUntil = now + FULL_MS
    const tooMany = Math.max(0, this.#excess - this.#ending.size)
    const withdrawn = [...this.#unconfirmed]
      .filter(slot => slot.onWithdrawn)
      .reverse()
      .slice(0, tooMany)
    for (const slot of withdrawn) {
      this.#unconfirmed.delete(slot)
      this.#ending.add(slot)
    }
    return withdrawn
  }

  /** The database has not answered: nothing is known of the other processes. */
  unanswered(): void {
    this.#waits = false
    this.#shortSince = undefined
    this.#fullUntil = 0
  }

  /** Open streams beyond those that are granted or need no claim. */
  get #excess(): number {
    return this.#open - this.#granted - unclaimed(this.cap)
  }
}

/** The streams that a process opens for one key without a claim. */
export function unclaimed(cap: number): number {
  return Math.floor(cap * UNCLAIMED_SHARE)
}
