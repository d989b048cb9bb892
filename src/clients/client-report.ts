/**
 * The report of a process about its clients when a route asks, also over the channel between workers. So it holds plain
 * values, and the question bounds every list.
 */
import type { ClientDocument, ClosedClientDocument, RefusedClientDocument } from './client-document.js'

export interface ClientQuestion {
  /** Only clients of this workspace. */
  readonly workspace: string
  readonly of: 'open' | 'closed' | 'refused' | 'event'
  readonly stream?: string | undefined
  readonly principal?: string | undefined
  readonly connection?: string | undefined
  /** Continues a list after this key (client-page.ts). */
  readonly after?: string | undefined
  /** The most entries of each list. */
  readonly limit: number
  /** The event to judge, for `event`; undefined if the log no longer has it. */
  readonly event?: JudgedEvent | undefined
}

/** A stored event, as it travels between processes. */
export interface JudgedEvent {
  readonly streamId: number
  readonly position: number
  readonly eventId: string
  /** In ms since 1970, by the clock of the database. */
  readonly at: number
  readonly type: string
  readonly data: string
  readonly attributes: string | null
}

/** Whether a client may get an event, by each of the reasons for which it may not. */
export interface Judgement {
  readonly granted: boolean
  readonly types: boolean
  readonly where: boolean
  /** Whether the form of its events has such an event. */
  readonly form: boolean
}

export interface OpenFacts {
  readonly client: ClientDocument
  readonly judgement: Judgement | undefined
}

export interface ClosedFacts {
  readonly client: ClosedClientDocument
  readonly judgement: Judgement | undefined
}

export interface ClientReport {
  /** The id of the process in the cluster; its first 8 digits begin the names of its connections. */
  readonly id: string
  /** In ms since 1970, by the clock of the process, as all times here. */
  readonly startedAt: number
  /** How far the clock of the database is ahead, in ms. */
  readonly clockAheadMs: number
  /** How many match, on all pages. */
  readonly total: number
  readonly open: readonly OpenFacts[]
  readonly closed: readonly ClosedFacts[]
  readonly refused: readonly RefusedClientDocument[]
  /** Whether older closes or refusals of the workspace were pushed out. */
  readonly isShort: boolean
  /** When the process read the event that was asked about; undefined if it no longer knows. */
  readonly readAt: number | undefined
  /** The position of the head of the event's stream in this process; undefined if it is not followed here. */
  readonly head: number | undefined
}
