/** The messages between the parent of several gateway processes and its workers (node:cluster's channel). */

import type { ClientQuestion, ClientReport } from '../clients/client-report.js'
import type { RecentSample } from '../metrics/recent-metrics.js'
import type { MetricDocument } from '../metrics/sampled-metric.js'

/** Ready-made tokens, if the gateway generated the signing key itself. */
export interface DemoTokens {
  readonly viewer: string
  readonly editor: string
  readonly admin: string
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

/** The reports of a worker, which it makes when the parent asks. */
export interface WorkerReports {
  readonly clients: ClientCounts
  readonly metrics: readonly MetricDocument[]
  readonly recent: readonly RecentSample[]
  readonly connections: ClientReport
}

/** The reports of all workers that answered, combined by the parent. */
export interface JointReports {
  readonly clients: WorkerCounts
  /** In the text format of Prometheus. */
  readonly metrics: string
  readonly recent: readonly RecentSample[]
  readonly connections: readonly ClientReport[]
}

export type Topic = keyof WorkerReports

/** The parameters of a question, by its topic. */
export interface Questions {
  readonly clients: undefined
  readonly metrics: undefined
  readonly recent: undefined
  readonly connections: ClientQuestion
}

/** A question to all workers. */
export type Question = {
  readonly [Of in Topic]: { readonly topic: Of; readonly about: Questions[Of] }
}[Topic]

export type ToParent =
  | ({ readonly say: 'listening' } & Address)
  /** Asks for the reports of all workers. */
  | ({ readonly say: 'ask'; readonly question: number } & Question)
  | { readonly say: 'report'; readonly round: number; readonly report: Partial<WorkerReports> }

export type ToWorker =
  | ({ readonly say: 'report'; readonly round: number } & Question)
  | { readonly say: 'answer'; readonly question: number; readonly answer: Partial<JointReports> }
  /** The process is going to stop: only its readiness says so yet. */
  | { readonly say: 'announce'; readonly inMs: number }
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
