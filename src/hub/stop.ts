import type { HoldLoss } from './delivery-window.js'

/** Why the gateway ends a subscription before the stream ends or the client disconnects. */
export type Stop =
  | 'expired'
  | 'revoked'
  | 'narrowed'
  | 'too-old'
  | 'stalled'
  | 'draining'
  | 'by-admin'
  | HoldLoss
  | 'deleted'
  | 'reset'
  | 'ended'
