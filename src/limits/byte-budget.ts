/**
 * The bytes of bodies and large answers that this process holds for its callers at once: so many for all of them, and half of
 * that for one holder. A body is charged as it arrives: what a caller has only announced costs nothing. A holder's only
 * transfer is let through while anything is left, so that whatever may be sent can be sent.
 */

const HOLDER_SHARE = 0.5

export class ByteBudget {
  readonly #bytes: number
  readonly #held = new Map<string, number>()
  #sum = 0

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#sum
  }

  /** A transfer of `holder`, which holds nothing yet. */
  open(holder: string): Transfer {
    return new Transfer(
      step => this.#add(holder, step),
      (more, own) => this.#hasRoom(holder, more, own),
    )
  }

  #hasRoom(holder: string, more: number, own: number): boolean {
    if (this.#sum >= this.#bytes) return false
    const held = this.#held.get(holder) ?? 0
    return held === own || (held + more <= this.#bytes * HOLDER_SHARE && this.#sum + more <= this.#bytes)
  }

  #add(holder: string, step: number): void {
    this.#sum += step
    const held = (this.#held.get(holder) ?? 0) + step
    if (held > 0) this.#held.set(holder, held)
    else this.#held.delete(holder)
  }
}

export class Transfer {
  readonly #add: (step: number) => void
  readonly #hasRoom: (more: number, own: number) => boolean
  #bytes = 0
  #over = false

  constructor(add: (step: number) => void, hasRoom: (more: number, own: number) => boolean) {
    this.#add = add
    this.#hasRoom = hasRoom
  }

  /** Holds so many bytes from now on, in place of those before; false when there is no room, and then nothing changes. */
  hold(bytes: number): boolean {
    const more = bytes - this.#bytes
    if (this.#over || (more > 0 && !this.#hasRoom(more, this.#bytes))) return this.#over
    this.#bytes = bytes
    this.#add(more)
    return true
  }

  /** Gives all back, also when called twice. It holds nothing any more. */
  release(): void {
    this.#add(-this.#bytes)
    this.#bytes = 0
    this.#over = true
  }
}
