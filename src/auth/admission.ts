/**
 * The permit of a stream that a principal has opened (src/hub/permit.ts): it ends with the principal's credentials. Newer
 * credentials of the same principal can renew it while the stream is open, if they last longer and could have opened the
 * stream themselves.
 */
import { randomUUID } from 'node:crypto'
import type { Permit, PermittedSubscription } from '../hub/permit.js'
import { endAsText } from './credential-end.js'
import { allows, type Principal, type Role } from './principal.js'

export interface AdmissionOptions {
  readonly principal: Principal
  /** The stream can be opened with any of these roles. */
  readonly access: readonly Role[]
  onOpened?(admission: Admission): void
  onClosed?(admission: Admission): void
}

export class Admission implements Permit {
  readonly connection = randomUUID()
  readonly #options: AdmissionOptions
  #principal: Principal
  // Copied from the principal. Reading it there, twice a second for each stream, took a fifteenth of the gateway's CPU
  // while thousands of clients connected, because principals have many shapes.
  #expiresAt: number
  #subscription: PermittedSubscription | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
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
    this.#options.onOpened?.(this)
  }

  onClosed(): void {
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

  /**
   * Continues the stream with newer credentials, which `auth-renewed` confirms to the client.
   * @returns false if the credentials cannot renew the stream; then nothing has changed.
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
    this.#admit(principal)
    this.#subscription?.say({ name: 'auth-renewed', data: { expires_at: endAsText(principal) } })
    return true
  }

  #admit(principal: Principal): void {
    this.#principal = principal
    this.#expiresAt = principal.expiresAt
  }
}
