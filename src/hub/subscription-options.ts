/** What a subscription is made of. */
import type { CatchUpOptions } from './catch-up.js'
import type { Permit } from './permit.js'
import type { Start } from './start.js'

export interface SubscriptionOptions extends CatchUpOptions {
  readonly start: Start
  /** The id that the client came with, as it may be sent back. */
  readonly broughtId: string | undefined
  readonly heartbeatMs: number
  readonly permit: Permit
  /** When the subscription is old enough to end, whatever its permit, in ms since 1970. */
  readonly tooOldAt: number
  onClosed(): void
}
