/** The sums of the parts of a count. Few of them stay text, which nobody parses; many are added up, so that each workspace stays once. */
import type { Usage } from './usage-rows.js'

/** In characters: some 15,000 sums, which take about 10 ms to add up. */
const MOST_TEXT = 2 ** 20

type Sums = Usage & { readonly workspace: string }

export class UsageTotals {
  /** Elements of JSON arrays. */
  #texts: string[] = []
  #length = 0
  readonly #sums = new Map<string, Sums>()

  /** @param totals a JSON array of the sums of a part; null: it has none. */
  add(totals: string | null): void {
    if (totals === null) return
    const elements = totals.slice(1, -1)
    this.#texts.push(elements)
    this.#length += elements.length
    if (this.#length >= MOST_TEXT) this.#addUp()
  }

  /** All sums as a JSON array. A workspace may have several, of at most about 1 MiB together. */
  toText(): string {
    if (this.#sums.size === 0) return `[${this.#texts.join()}]`
    this.#addUp()
    return JSON.stringify([...this.#sums.values()])
  }

  #addUp(): void {
    const parsed: readonly Sums[] = JSON.parse(`[${this.#texts.join()}]`)
    for (const more of parsed) {
      const known = this.#sums.get(more.workspace)
      this.#sums.set(more.workspace, known ? sum(known, more) : more)
    }
    this.#texts = []
    this.#length = 0
  }
}

function sum(some: Sums, more: Sums): Sums {
  return {
    workspace: some.workspace,
    streams: some.streams + more.streams,
    jobs: some.jobs + more.jobs,
    events: some.events + more.events,
    bytes: some.bytes + more.bytes,
  }
}
