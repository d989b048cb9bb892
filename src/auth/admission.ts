/**
 * The permit of a stream that a principal has opened (src/hub/permit.ts): it ends with the principal's credentials. Newer
 * credentials of the same principal can renew it while the stream is open, if they last longer and could have opened the
 * stream themselves. The stream also ends when grants of its principal no longer allow all of it: the client reconnects, and
 * gets what they allow.
 */
import { randomUUID } from 'node:crypto'
import type { Permit, PermittedSubscription } from '../hub/permit.js'
import { Problem } from '../problems/problem.js'
import { endAsText } from './credential-end.js'
import { both, type Grants } from './grants/grants.js'
import type { Granted } from './grants/stream-grant.js'
import { allows, type Principal, type Role } from './principal.js'

export interface AdmissionOptions {
  readonly principal: Principal
  /** The stream can be opened with any of these roles. */
  readonly access: readonly Role[]
  /** What the principal's grants must allow as long as the stream is open; default: nothing. */
  readonly granted?: Granted | undefined
  /** The name of the connection; default: a random UUID. */
  readonly connection?: string
  onOpened?(admission: Admission): void
  onClosed?(admission: Admission): void
}

export class Admission implements Permit {
  readonly connection: string
  readonly #options: AdmissionOptions
  #principal: Principal
  // Copied from the principal. Reading it there, twice a second for each stream, took a fifteenth of the gateway's CPU
  // while thousands of clients connected, because principals have many shapes.
  #expiresAt: number
  #subscription: PermittedSubscription | undefined
  #unwatch: (() => void) | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.connection = options.connection ?? randomUUID()
    this.#principal = options.principal
    this.#expiresAt = options.principal.expiresAt
  }

  /** The principal, with its current credentials. */
  get principal(): Principal {
    return this.#principal
  }

  isOver(now: number): boolean {
    return now >= this.#expiresAt
  }

  onOpened(subscription: PermittedSubscription): void {
    this.#subscription = subscription
    this.#unwatch = this.#options.granted?.watch?.(() => this.#admit(this.#principal))
    this.#options.onOpened?.(this)
  }

  onClosed(): void {
    this.#unwatch?.()
    this.#options.onClosed?.(this)
  }

  /** Ends the stream; the client gets `auth-revoked`. */
  revoke(): void {
    this.#subscription?.stop('revoked')
  }

  /** Brings the end forward to `expiresAt` (ms since 1970); does nothing if the stream ends earlier anyway. */
  endBy(expiresAt: number): void {
    if (expiresAt < this.#expiresAt) this.#admit({ ...this.#principal, expiresAt })
  }

  /** Ends the stream if the principal's grants no longer allow it within these. */
  limitTo(grants: Grants | undefined): void {
    this.#admit({ ...this.#principal, grants: both(this.#principal.grants, grants) })
  }

  /**
   * Continues the stream with newer credentials, which `auth-renewed` confirms to the client.
   * @returns false if the credentials cannot renew the stream; then nothing has changed. Credentials with other grants can:
   *   narrower ones apply at once, wider ones when the client reconnects.
   */
  renew(principal: Principal): boolean {
    const { id, workspace, credential } = this.#principal
    // A token may name the id of an API key as its subject. It must not stand in for the key, nor for the addresses that
    // the key is restricted to: they were checked when the stream was opened.
    const same =
      principal.id === id &&
      principal.workspace === workspace &&
      principal.credential.kind === credential.kind
    if (!same || principal.expiresAt <= this.#expiresAt || !allows(principal.role, this.#options.access))
      return false
    const isUndecided = this.#options.granted?.watch !== undefined && principal.role !== this.#principal.role
    if (!this.#admit(principal)) return true
    // The decision at run time was about the former role. The client reconnects, and a new one is made.
    if (isUndecided) this.#subscription?.stop('narrowed')
    else this.#subscription?.say({ name: 'auth-renewed', data: { expires_at: endAsText(principal) } })
    return true
  }

  /** @returns false if the stream has ended because the grants do not allow it. */
  #admit(principal: Principal): boolean {
    this.#principal = principal
    this.#expiresAt = principal.expiresAt
    const held = this.#holds(principal.grants)
    if (!held) this.#subscription?.stop('narrowed')
    return held
  }

  #holds(grants: Grants | undefined): boolean {
    try {
      this.#options.granted?.assertHeldBy(grants)
      return true
    } catch (error) {
      if (error instanceof Problem) return false
      throw error
    }
  }
}
