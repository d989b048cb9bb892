/**
 * The states of the API keys that changed while this process ran: a request may have been authenticated with a cached key from before
 * the change. And the keys of the latest requests, whose changes may have been missed. A restore or a failover may lose a change that is
 * known here: then the state is read again when the key is used.
 *
 * Invariant: an older state never replaces a newer one, in whichever order the database answers.
 */
import { LRUCache } from 'lru-cache'
import type { KeyState } from '../api-keys/api-keys.js'
import { both } from '../grants/grants.js'
import type { Principal } from '../principal.js'

/** Number of keys that are remembered because they changed. */
const CHANGED_KEYS = 10_000
/** How long a request may take from its authentication to its stream, and the number of keys that are remembered for such requests. */
const LATEST_MS = 60_000
const LATEST_KEYS = 1_000

export class KeyStates {
  readonly #states = new LRUCache<string, KeyState & { readonly asked: number }>({ max: CHANGED_KEYS })
  readonly #latest = new LRUCache<string, true>({ max: LATEST_KEYS, ttl: LATEST_MS })
  #asked = 0
  /** States up to this question may be of a history that the log has lost: a key that was revoked there may be good again. */
  #unverifiedUpTo = 0

  /** The keys of the latest requests: one may be about to open a stream, and holds nothing yet by which it would be found. */
  latest(): Iterable<string> {
    return this.#latest.keys()
  }

  /** Call this for each request once its credentials are verified. */
  brought({ credential: { kind, id } }: Principal): void {
    if (kind === 'key') this.#latest.set(id, true)
  }

  /** Call this when the log may have lost changes of keys. The states still count until each is read again. */
  historyMayDiffer(): void {
    this.#unverifiedUpTo = this.#asked
  }

  /** The principal's key, if its state must be read again before a request is refused by it. */
  unverified({ credential: { kind, id } }: Principal): string | undefined {
    if (kind !== 'key') return undefined
    return (this.#states.get(id)?.asked ?? Number.POSITIVE_INFINITY) <= this.#unverifiedUpTo ? id : undefined
  }

  /** Reads a state and keeps it. @returns undefined if the answer to a later call is known already. */
  async read(key: string, stateOf: (key: string) => Promise<KeyState>): Promise<KeyState | undefined> {
    this.#asked += 1
    const asked = this.#asked
    const state = await stateOf(key)
    if ((this.#states.get(key)?.asked ?? 0) > asked) return undefined
    this.#states.set(key, { ...state, asked })
    return state
  }

  hasEnded({ credential: { kind, id } }: Principal): boolean {
    return kind === 'key' && this.#states.get(id)?.expiresAt === Number.NEGATIVE_INFINITY
  }

  /** The principal with at most the time and the grants of its key. */
  limit(principal: Principal): Principal {
    const { credential, expiresAt, grants } = principal
    const key = credential.kind === 'key' ? this.#states.get(credential.id) : undefined
    if (key === undefined || (key.expiresAt >= expiresAt && key.grants?.key === grants?.key)) return principal
    return { ...principal, expiresAt: Math.min(key.expiresAt, expiresAt), grants: both(grants, key.grants) }
  }
}
