/** A list of the gateway, which it answers with page by page. */
import type { Gateway } from './requests.js'

export interface Page<Entry> {
  readonly entries: readonly Entry[]
  /** The newest event that the page includes. Follow from the head of the first page, and list and events fit together. */
  readonly head: string | undefined
}

/** Iterate over it for the entries, or over `pages()`. Each iteration asks the gateway anew. */
export class Listing<Entry> implements AsyncIterable<Entry> {
  /** @param member the name of the array in the answer. */
  constructor(
    readonly gateway: Gateway,
    readonly path: string,
    readonly member: string,
    readonly query: Readonly<Record<string, string | number | undefined>> = {},
    readonly signal?: AbortSignal,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void> {
    for await (const { entries } of this.pages()) yield* entries
  }

  async *pages(): AsyncGenerator<Page<Entry>, void> {
    type Body = { readonly next_cursor: string | null } & Readonly<Record<string, readonly Entry[]>>
    let cursor: string | null | undefined
    do {
      const query = { ...this.query, cursor }
      const { body, headers } = await this.gateway.request<Body>('GET', this.path, {
        query,
        signal: this.signal,
      })
      yield { entries: body[this.member] ?? [], head: headers.get('x-sluice-head') ?? undefined }
      cursor = body.next_cursor
    } while (cursor)
  }

  /** All entries, and the head of the first page: what a `reload` function needs. */
  async all(): Promise<Page<Entry>> {
    const entries: Entry[] = []
    let head: string | undefined
    for await (const page of this.pages()) {
      entries.push(...page.entries)
      head ??= page.head
    }
    return { entries, head }
  }
}
