/**
 * By what right a client is on a stream, and until when: its credentials end, and may be renewed meanwhile by others
 * of the same principal that last longer and would have opened the stream as well.
 */
import { randomUUID } from 'node:crypto'
import { allows, type Principal, type Role } from '../auth/principal.js'

export interface AdmissionOptions {
  readonly principal: Principal
  /** The roles one of which opens such a stream. */
  readonly access: readonly Role[]
  /** When the stream is old enough, whatever its credentials, in ms since 1970. */
  readonly tooOldAt: number
}

export class Admission {
  /** Names the open stream to whoever renews its credentials. Nobody can guess it. */
  readonly connection = randomUUID()
  readonly #access: readonly Role[]
  readonly #tooOldAt: number
  #principal: Principal
  // Of the principal: looked up there, for each stream twice a second, it took a fifteenth of the gateway's CPU while
  // thousands came in, because principals have many shapes.
  #expiresAt: number

  constructor({ principal, access, tooOldAt }: AdmissionOptions) {
    this.#access = access
    this.#tooOldAt = tooOldAt
    this.#principal = principal
    this.#expiresAt = principal.expiresAt
  }

  /** Whose credentials count now. */
  get principal(): Principal {
    return this.#principal
  }

  /** Why the stream has to end at `now` (ms since 1970), if it has to. */
  overAt(now: number): 'expired' | 'too-old' | undefined {
    if (now >= this.#expiresAt) return 'expired'
    return now >= this.#tooOldAt ? 'too-old' : undefined
  }

  /** Lets it end with the credentials, when their own end has moved forward. */
  endBy(expiresAt: number): void {
    if (expiresAt < this.#expiresAt) this.#admit({ ...this.#principal, expiresAt })
  }

  /** @returns false where the credentials are not fit to go on with; then nothing has changed. */
  renew(principal: Principal): boolean {
    const { id, workspace, credential } = this.#principal
    // A token may name the id of a key as its subject. It does not stand for the key, nor for the addresses that the key is
    // good from: what opened the stream was looked at there.
    const same =
      principal.id === id &&
      principal.workspace === workspace &&
      principal.credential.kind === credential.kind
    if (!same || principal.expiresAt <= this.#expiresAt || !allows(principal.role, this.#access)) return false
    this.#admit(principal)
    return true
  }

  #admit(principal: Principal): void {
    this.#principal = principal
    this.#expiresAt = principal.expiresAt
  }
}

/** When the credentials end, for a person or a program to read; null: never, or later than any date. */
export function endOf({ expiresAt }: Pick<Principal, 'expiresAt'>): string | null {
  const end = new Date(expiresAt)
  return Number.isNaN(end.getTime()) ? null : end.toISOString()
}
