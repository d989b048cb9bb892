/**
 * The newest entries of all workspaces, at most so many together. While there is room, a workspace may have all of it. When it
 * is full, a new entry takes the place of the oldest entry of the workspace that has the most: the churn of one tenant pushes
 * out its own entries, not those of others.
 */
export class FairRing<Entry> {
  readonly #most: number
  /** By workspace, the oldest first. */
  readonly #entries = new Map<string, Entry[]>()
  #size = 0
  /** The workspaces of which entries were pushed out last, at most twice as many as entries: they may have none left. */
  readonly #short = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  add(workspace: string, entry: Entry): void {
    const own = this.#entries.get(workspace)
    if (own) own.push(entry)
    else this.#entries.set(workspace, [entry])
    this.#size += 1
    if (this.#size > this.#most) this.#removeOne()
  }

  /** The entries of a workspace, the oldest first. */
  of(workspace: string): readonly Entry[] {
    return this.#entries.get(workspace) ?? []
  }

  /** Whether entries of the workspace were pushed out, so that the oldest one here is not its first. */
  hasLost(workspace: string): boolean {
    return this.#short.has(workspace)
  }

  /** Looks at every workspace, of which there are no more than entries. */
  #removeOne(): void {
    let largest: [workspace: string, entries: Entry[]] | undefined
    for (const each of this.#entries) if (!largest || each[1].length > largest[1].length) largest = each
    if (!largest) return
    const [workspace, entries] = largest
    entries.shift()
    this.#size -= 1
    if (entries.length === 0) this.#entries.delete(workspace)
    this.#short.delete(workspace)
    this.#short.add(workspace)
    const [oldest] = this.#short
    if (oldest !== undefined && this.#short.size > 2 * this.#most) this.#short.delete(oldest)
  }
}
