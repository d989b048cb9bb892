/** The newest entries of a list that React shows: bounded, and rendered once for all that arrive together. */

export class Newest<T> {
  #entries: readonly T[] = []
  #added: T[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param show gets the new list, a moment after an entry was added. */
  constructor(
    readonly keep: number,
    readonly show: (entries: readonly T[]) => void,
  ) {}

  add(entry: T): void {
    this.#added.push(entry)
    if (this.#added.length > this.keep) this.#added.shift()
    this.#timer ??= setTimeout(() => this.#flush())
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #flush(): void {
    this.#timer = undefined
    this.#entries = [...this.#entries, ...this.#added].slice(-this.keep)
    this.#added = []
    this.show(this.#entries)
  }
}
