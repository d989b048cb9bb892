/** A subscription of the Durable Streams protocol (§6), and its limits. */

declare const brand: unique symbol
/** Names one subscription for ever, also after another one has taken its id. */
export type SubscriptionUid = number & { readonly [brand]: 'SubscriptionUid' }

export const SUBSCRIPTION_TYPES = ['webhook', 'pull-wake'] as const
export type SubscriptionType = (typeof SUBSCRIPTION_TYPES)[number]

export const MAX_SUBSCRIPTIONS = 1_000
export const MAX_EXPLICIT_LINKS = 1_000
/** The database keeps to it as well, for streams that are discovered later (migrations/0068_durable_subscriptions.sql). */
export const MAX_LINKS = 10_000
/** Streams in one wake or claim. Streams beyond these stay pending, so another wake follows. */
export const MAX_SNAPSHOT = 1_000
export const MIN_LEASE_MS = 1_000
export const MAX_LEASE_MS = 600_000
export const DEFAULT_LEASE_MS = 30_000

export interface Subscription {
  readonly uid: SubscriptionUid
  readonly workspace: string
  readonly id: string
  readonly type: SubscriptionType
  readonly pattern: string | null
  readonly url: string | null
  readonly wakeStream: string | null
  readonly baseUrl: string
  readonly leaseTtlMs: number
  readonly description: string | null
  readonly createdAt: Date
  /** Whether a retry waits after a failed attempt. */
  readonly failed: boolean
  /** Whether the streams that existed before it are linked. */
  readonly backfilled: boolean
}

export interface StreamLink {
  readonly path: string
  readonly explicit: boolean
  readonly acked: number
}

/** A stream that a wake or a claim names. */
export interface WokenStream extends StreamLink {
  readonly tail: number
}

/** The fence of a wake: a request with an older one changes nothing. */
export interface Fence {
  readonly uid: SubscriptionUid
  readonly generation: number
  readonly wakeId: string
}

export interface Ack {
  readonly path: string
  readonly position: number
}
