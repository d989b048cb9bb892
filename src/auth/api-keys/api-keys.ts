/**
 * Whose an API key is. An unknown id, a wrong secret and a text that is no key are refused alike; only who has the whole
 * key learns that it was revoked, has ended, or is not taken from where he is.
 */

import type { Database } from '../../database/pool.js'
import type { Logger } from '../../logging/logger.js'
import { type AddressRange, isWithin, parseRange } from '../../network/address-range.js'
import type { Principal } from '../principal.js'
import { addressNotAllowed, keyExpired, keyInvalid, keyRevoked } from '../refusals.js'
import { ApiKeyCache } from './api-key-cache.js'
import { type StoredKey, selectKey } from './api-key-rows.js'
import { isSecretOf, parseApiKey } from './api-key-secret.js'
import { ApiKeyUses } from './api-key-uses.js'

export interface ApiKeysOptions {
  readonly database: Database
  readonly logger: Logger
  /** A clock that never goes backwards, for what is remembered. Default: that of the process. */
  readonly now?: () => number
}

interface KnownKey extends StoredKey {
  /** Undefined: from anywhere. */
  readonly ranges: readonly AddressRange[] | undefined
}

export class ApiKeys {
  readonly #cache: ApiKeyCache<KnownKey>
  readonly #uses: ApiKeyUses

  constructor({ database, logger, now = () => performance.now() }: ApiKeysOptions) {
    this.#cache = new ApiKeyCache({ load: async id => known(await selectKey(database, id)), now })
    this.#uses = new ApiKeyUses({ database, logger })
  }

  start(): void {
    this.#uses.start()
  }

  /** Writes down the last uses. The database must still be there; where it is not, they are lost. */
  close(): Promise<void> {
    return this.#uses.close()
  }

  /**
   * @param address of the client, as trusted proxies tell it.
   * @param mayLookUp called before the database is asked; what it throws is thrown here.
   * @throws {Problem} 401 `key-invalid`, `key-revoked`, `key-expired`; 403 `address-not-allowed`; the database's own error
   * when nobody can say: never a 401 for that, or clients would throw their keys away.
   */
  async principalOf(text: string, address: string | undefined, mayLookUp?: () => void): Promise<Principal> {
    const given = parseApiKey(text)
    if (!given) throw keyInvalid()
    const key = await this.#cache.find(given.id, mayLookUp)
    if (!isSecretOf(given.secret, key?.secret_hash) || !key) throw keyInvalid()
    if (key.revoked_at !== null) throw keyRevoked()
    const expiresAt = key.expires_at?.getTime() ?? Number.POSITIVE_INFINITY
    if (expiresAt <= Date.now()) throw keyExpired()
    if (!isAllowedFrom(key, address)) throw addressNotAllowed(address)
    this.#uses.note(key.id)
    return {
      id: `key:${key.id}`,
      workspace: key.workspace,
      role: key.role,
      expiresAt,
      issuedAt: key.created_at.getTime(),
      credential: { kind: 'key', id: key.id },
    }
  }

  /** The key that a text names by its id, whatever else is wrong with it; undefined where there is none. */
  async named(text: string): Promise<{ readonly id: string; readonly workspace: string } | undefined> {
    const given = parseApiKey(text)
    return given && (await this.#cache.find(given.id))
  }

  /** When a key ends, in milliseconds since 1970: Infinity never, -Infinity when it has been revoked or there is none. */
  async endOf(id: string): Promise<number> {
    const key = await this.#cache.find(id)
    if (!key || key.revoked_at !== null) return Number.NEGATIVE_INFINITY
    return key.expires_at?.getTime() ?? Number.POSITIVE_INFINITY
  }

  /** Whether what was made for a key is good still, and from this address. @param address as for `principalOf`. */
  async isGoodFrom(id: string, address: string | undefined): Promise<boolean> {
    const key = await this.#cache.find(id)
    if (!key || key.revoked_at !== null) return false
    return (key.expires_at?.getTime() ?? Number.POSITIVE_INFINITY) > Date.now() && isAllowedFrom(key, address)
  }

  /** The key has been changed: whoever asks next is told how it is now. */
  forget(id: string): void {
    this.#cache.forget(id)
  }

  /** Any key may have been changed. */
  forgetAll(): void {
    this.#cache.forgetAll()
  }
}

/** Its rules are read once, when it is looked up. */
function known(key: StoredKey | undefined): KnownKey | undefined {
  return key && { ...key, ranges: key.allowed_ips?.flatMap(text => parseRange(text) ?? []) }
}

function isAllowedFrom({ ranges }: KnownKey, address: string | undefined): boolean {
  return ranges === undefined || isWithin(address, ranges)
}
