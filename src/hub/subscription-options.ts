/** What a subscription is made of. */
import type { Admission } from './admission.js'
import type { CatchUpOptions } from './catch-up.js'
import type { Start } from './start.js'

export interface SubscriptionOptions extends CatchUpOptions {
  readonly start: Start
  /** The id that the client came with, as it may be sent back. */
  readonly broughtId: string | undefined
  readonly heartbeatMs: number
  readonly admission: Admission
  onClosed(): void
}
