/** The words of a webhook: its settings, its states, and their limits, which migrations/0047_webhooks.sql enforces as well. */
import type { ConsumerId } from '../consumers/consumer.js'

/** A webhook is a consumer, and has its id. */
export type WebhookId = ConsumerId

/** How an event is sent: Standard Webhooks, or as a CloudEvent in structured or in binary mode. */
export const FORMS = ['standard', 'cloudevents', 'cloudevents-binary'] as const
export type Form = (typeof FORMS)[number]

export const ORDERS = ['ordered', 'parallel'] as const
export type Order = (typeof ORDERS)[number]

/** The actions after the last try of an event has failed. */
export const EXHAUSTIONS = ['pause', 'skip'] as const
export type Exhaustion = (typeof EXHAUSTIONS)[number]

/** Only an active webhook sends. A disabled one is like a paused one, but its receiver has given us a reason to expect no success. */
export const STATES = ['active', 'paused', 'disabled'] as const
export type State = (typeof STATES)[number]

/**
 * `by-admin`; `exhausted`: the last try of an event has failed; `secret-unreadable`: no key of this gateway opens its secrets; `gone`:
 * the receiver has answered 410; `no-success`: nothing has succeeded for days.
 */
export const PAUSE_REASONS = ['by-admin', 'exhausted', 'secret-unreadable'] as const
export const DISABLE_REASONS = ['gone', 'no-success'] as const
export const STATE_REASONS = [...PAUSE_REASONS, ...DISABLE_REASONS] as const
export type StateReason = (typeof STATE_REASONS)[number]

export const MAX_WEBHOOKS = 1_000
export const MAX_SECRETS = 10
export const MAX_IN_FLIGHT = 100
export const DEFAULT_IN_FLIGHT = 10
export const DEFAULT_OVERLAP_SECONDS = 86_400
export const MAX_OVERLAP_SECONDS = 30 * 86_400
