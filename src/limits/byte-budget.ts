/**
 * Bounds the bytes of request bodies and large responses that this process holds at once: in total, and half of that
 * per holder. A body is charged as it arrives, so a body that is only announced costs nothing. A holder's only
 * transfer is always granted while budget remains, so every permitted body can be sent.
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

  /** A transfer of `holder`, which holds no bytes yet. */
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

  /** Sets the number of held bytes; false if there is no room, and then nothing changes. */
  hold(bytes: number): boolean {
    const more = bytes - this.#bytes
    if (this.#over || (more > 0 && !this.#hasRoom(more, this.#bytes))) return this.#over
    this.#bytes = bytes
    this.#add(more)
    return true
  }

  /** Releases all bytes; a second call does nothing. */
  release(): void {
    this.#add(-this.#bytes)
    this.#bytes = 0
    this.#over = true
  }
}
