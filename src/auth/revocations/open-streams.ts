/**
 * The streams that principals have open in this process. A stream is here from the turn of the event loop in which the hub
 * opens it until it has closed, so that a change of credentials reaches every open stream.
 */
import { randomUUID } from 'node:crypto'
import { Admission } from '../admission.js'
import type { KeyState } from '../api-keys/api-keys.js'
import type { Granted } from '../grants/stream-grant.js'
import type { Principal, Role } from '../principal.js'

export class OpenStreams {
  /** By the name of their connection. */
  readonly #admissions = new Map<string, Admission>()
  readonly #name: () => string

  /** @param name makes the names of connections: unique, and impossible to guess. */
  constructor(name: () => string = randomUUID) {
    this.#name = name
  }

  // Made once: each open stream keeps them.
  readonly #onOpened = (admission: Admission): void =>
    void this.#admissions.set(admission.connection, admission)
  readonly #onClosed = (admission: Admission): void => void this.#admissions.delete(admission.connection)

  /** The permit for a stream that `principal` is about to open; it counts as open once the hub has opened it. */
  admit(principal: Principal, access: readonly Role[], granted?: Granted): Admission {
    return new Admission({
      principal,
      access,
      granted,
      connection: this.#name(),
      onOpened: this.#onOpened,
      onClosed: this.#onClosed,
    })
  }

  /** One principal per open stream, repeats included. */
  *principals(): Iterable<Principal> {
    for (const { principal } of this.#admissions.values()) yield principal
  }

  /** Holds the streams that an API key has opened to its end and its grants. */
  keyChanged(key: string, { expiresAt, grants }: KeyState): void {
    for (const admission of [...this.#admissions.values()]) {
      const { kind, id } = admission.principal.credential
      if (kind !== 'key' || id !== key) continue
      admission.endBy(expiresAt)
      admission.limitTo(grants)
    }
  }

  /** Ends every stream whose principal the revocations concern. */
  revoke(concerns: (principal: Principal) => boolean): void {
    for (const admission of [...this.#admissions.values()]) {
      if (concerns(admission.principal)) admission.revoke()
    }
  }

  /** Continues a stream with newer credentials, if it is open in this process and they can renew it. */
  renew(connection: string, principal: Principal): void {
    this.#admissions.get(connection)?.renew(principal)
  }
}
