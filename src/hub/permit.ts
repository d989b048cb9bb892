/**
 * The right to keep a subscription open, as the hub sees it. The host implements it (src/auth/admission.ts does, for
 * principals). The hub asks the permit whether the subscription is over, and tells it when the subscription opens and
 * closes, so the permit can end it at any moment in between.
 */
import { randomUUID } from 'node:crypto'
import type { Notice } from '../sse/encoding.js'

/** The actions of a permit on the subscription that it keeps open. They do nothing once the subscription has closed. */
export interface PermittedSubscription {
  /** Ends the subscription; the client gets `auth-revoked` first. With `narrowed` it gets nothing, and reconnects. */
  stop(why: 'revoked' | 'narrowed'): void
  say(notice: Notice): void
}

export interface Permit {
  /** Names the subscription to its client, in the first `server.state`. It must be impossible to guess. */
  readonly connection: string
  /**
   * Whether the subscription must end at `now` (ms since 1970) with `auth-expired`. The hub asks about twice a second, so the
   * answer must be cheap.
   */
  isOver(now: number): boolean
  /** Called once, before the first byte of the subscription is written and in the same turn of the event loop. */
  onOpened(subscription: PermittedSubscription): void
  /** Called once, after `onOpened`, when the subscription has closed for whatever reason. */
  onClosed(): void
}

/** A permit that never ends, for a host that needs no credentials. */
export function endlessPermit(): Permit {
  return { connection: randomUUID(), isOver: () => false, onOpened() {}, onClosed() {} }
}
