/**
 * Slots for work of many endpoints of many workspaces. A free slot goes to the waiting workspace that holds the fewest, in it to
 * the endpoint that holds the fewest, and among equals to the one that was served longest ago. So an endpoint with a million
 * waiting events, or a workspace with a thousand slow receivers, delays the others by one delivery at most (I5).
 *
 * A wait has no deadline, but ends when the signal of the waiting work aborts.
 */

export interface Claimant {
  readonly workspace: string
  readonly endpoint: string
}

interface Waiter {
  enter(): void
}

/** The slots that a workspace holds, and its endpoints that wait, by id. The one that was served longest ago is first. */
class Share<Waiting> {
  held = 0
  readonly waiting = new Map<string, Waiting>()
}

export class FairSlots {
  readonly #slots: number
  readonly #slotsOfOne: number
  readonly #workspaces = new Map<string, Share<Set<Waiter>>>()
  readonly #heldByEndpoint = new Map<string, number>()
  #used = 0
  #waiting = 0

  /** @param slotsOfOne how many one workspace may hold. Default: all. */
  constructor(slots: number, slotsOfOne = slots) {
    this.#slots = slots
    this.#slotsOfOne = slotsOfOne
  }

  get used(): number {
    return this.#used
  }

  get waiting(): number {
    return this.#waiting
  }

  /** @returns a function that frees the slot, to be called once; undefined if the signal aborts first. */
  async take(claimant: Claimant, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return undefined
    if (!this.#mayEnter(claimant) && !(await this.#turnOf(claimant, signal))) return undefined
    let freed = false
    return () => {
      if (freed) return
      freed = true
      this.#free(claimant)
    }
  }

  #mayEnter(claimant: Claimant): boolean {
    const share = this.#shareOf(claimant.workspace)
    const may = this.#used < this.#slots && share.held < this.#slotsOfOne
    if (may) this.#enter(claimant, share)
    return may
  }

  #turnOf(claimant: Claimant, signal: AbortSignal): Promise<boolean> {
    return new Promise(resolve => {
      const { workspace, endpoint } = claimant
      const share = this.#shareOf(workspace)
      const queue = share.waiting.get(endpoint) ?? new Set()
      share.waiting.set(endpoint, queue)
      const leave = () => {
        signal.removeEventListener('abort', giveUp)
        this.#waiting -= 1
        queue.delete(waiter)
        if (queue.size === 0 && share.waiting.get(endpoint) === queue) share.waiting.delete(endpoint)
      }
      const giveUp = () => {
        leave()
        this.#drop(workspace, share)
        resolve(false)
      }
      const waiter = {
        enter: () => {
          leave()
          // Behind the other endpoints that hold as many.
          if (share.waiting.delete(endpoint)) share.waiting.set(endpoint, queue)
          this.#enter(claimant, share)
          resolve(true)
        },
      }
      queue.add(waiter)
      this.#waiting += 1
      signal.addEventListener('abort', giveUp)
    })
  }

  #enter({ workspace, endpoint }: Claimant, share: Share<Set<Waiter>>): void {
    this.#used += 1
    share.held += 1
    this.#heldByEndpoint.set(endpoint, (this.#heldByEndpoint.get(endpoint) ?? 0) + 1)
    // Behind the other workspaces that hold as many.
    this.#workspaces.delete(workspace)
    this.#workspaces.set(workspace, share)
  }

  #free({ workspace, endpoint }: Claimant): void {
    this.#used -= 1
    const share = this.#shareOf(workspace)
    share.held -= 1
    const held = (this.#heldByEndpoint.get(endpoint) ?? 1) - 1
    if (held > 0) this.#heldByEndpoint.set(endpoint, held)
    else this.#heldByEndpoint.delete(endpoint)
    this.#drop(workspace, share)
    if (this.#waiting > 0 && this.#used < this.#slots) this.#next()?.enter()
  }

  #next(): Waiter | undefined {
    let least = this.#slotsOfOne
    let next: Share<Set<Waiter>> | undefined
    for (const share of this.#workspaces.values()) {
      if (share.waiting.size === 0 || share.held >= least) continue
      least = share.held
      next = share
      if (least === 0) break
    }
    return next && this.#nextIn(next)
  }

  #nextIn({ waiting }: Share<Set<Waiter>>): Waiter | undefined {
    let least = Number.POSITIVE_INFINITY
    let next: Waiter | undefined
    for (const [endpoint, [first]] of waiting) {
      const held = this.#heldByEndpoint.get(endpoint) ?? 0
      if (held >= least) continue
      least = held
      next = first
      if (least === 0) break
    }
    return next
  }

  #shareOf(workspace: string): Share<Set<Waiter>> {
    const known = this.#workspaces.get(workspace) ?? new Share<Set<Waiter>>()
    this.#workspaces.set(workspace, known)
    return known
  }

  #drop(workspace: string, share: Share<Set<Waiter>>): void {
    if (share.held === 0 && share.waiting.size === 0 && this.#workspaces.get(workspace) === share)
      this.#workspaces.delete(workspace)
  }
}
