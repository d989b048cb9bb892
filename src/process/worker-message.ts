/** The messages between the parent of several gateway processes and its workers (node:cluster's channel). */

/** Ready-made tokens, if the gateway generated the signing key itself. */
export interface DemoTokens {
  readonly viewer: string
  readonly editor: string
}

/** Where a gateway listens, and tokens to try it with. */
export interface Address {
  readonly url: string
  readonly tokens: DemoTokens | undefined
}

/** Open streams, in total and per kind. */
export interface ClientCounts {
  readonly total: number
  readonly byKind: Readonly<Record<string, number>>
}

/** The open streams of all workers that answered. */
export interface WorkerCounts {
  readonly workers: number
  readonly clients: ClientCounts
}

export type ToParent =
  | ({ readonly say: 'listening' } & Address)
  /** Asks for the counts of all workers. */
  | { readonly say: 'ask'; readonly question: number }
  | { readonly say: 'count'; readonly round: number; readonly clients: ClientCounts }

export type ToWorker =
  | { readonly say: 'count'; readonly round: number }
  | { readonly say: 'counts'; readonly question: number; readonly counts: WorkerCounts }
  | { readonly say: 'stop' }

/** Adds up the counts of the workers. */
export function sumCounts(counts: readonly ClientCounts[]): WorkerCounts {
  const byKind: Record<string, number> = {}
  for (const one of counts) {
    for (const [kind, clients] of Object.entries(one.byKind)) byKind[kind] = (byKind[kind] ?? 0) + clients
  }
  const total = counts.reduce((sum, one) => sum + one.total, 0)
  return { workers: counts.length, clients: { total, byKind } }
}
