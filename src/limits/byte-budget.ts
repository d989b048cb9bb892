/**
 * The bytes of bodies and large answers that this process holds for its callers at once, all together and for one
 * workspace at most half of that. They are taken before they are there: a crowd whose bodies arrive in the same moment
 * would be in before any measurement of memory could show it. Who holds nothing gets what it asks for, however large, as
 * long as there is anything left: so what may be sent at all can be sent.
 */

const WORKSPACE_SHARE = 0.5

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

  /** Gives them back, also when called twice; undefined when there is no room for them. */
  take(workspace: string, bytes: number): (() => void) | undefined {
    const held = this.#held.get(workspace) ?? 0
    if (this.#sum >= this.#bytes) return undefined
    if (held > 0 && (held + bytes > this.#bytes * WORKSPACE_SHARE || this.#sum + bytes > this.#bytes))
      return undefined
    this.#add(workspace, bytes)
    let given = false
    return () => {
      if (given) return
      given = true
      this.#add(workspace, -bytes)
    }
  }

  #add(workspace: string, bytes: number): void {
    this.#sum += bytes
    const held = (this.#held.get(workspace) ?? 0) + bytes
    if (held > 0) this.#held.set(workspace, held)
    else this.#held.delete(workspace)
  }
}
