/** What the parent of several gateway processes and its workers say to each other (node:cluster's channel). */

/** Ready-made tokens, where the key to sign with is the gateway's own. */
export interface DemoTokens {
  readonly viewer: string
  readonly editor: string
}

/** Where a gateway listens, and with what one may try it. */
export interface Address {
  readonly url: string
  readonly tokens: DemoTokens | undefined
}

/** Open streams, in all and per kind. */
export interface ClientCounts {
  readonly total: number
  readonly byKind: Readonly<Record<string, number>>
}

/** The open streams of all workers that answered. */
export interface Census {
  readonly workers: number
  readonly clients: ClientCounts
}

export type ToParent =
  | ({ readonly say: 'listening' } & Address)
  /** Shall I be told the census? */
  | { readonly say: 'ask'; readonly question: number }
  | { readonly say: 'count'; readonly round: number; readonly clients: ClientCounts }

export type ToWorker =
  | { readonly say: 'count'; readonly round: number }
  | { readonly say: 'census'; readonly question: number; readonly census: Census }
  | { readonly say: 'stop' }

/** Adds up what the workers count. */
export function censusOf(counts: readonly ClientCounts[]): Census {
  const byKind: Record<string, number> = {}
  for (const one of counts) {
    for (const [kind, clients] of Object.entries(one.byKind)) byKind[kind] = (byKind[kind] ?? 0) + clients
  }
  const total = counts.reduce((sum, one) => sum + one.total, 0)
  return { workers: counts.length, clients: { total, byKind } }
}
