/**
 * Verifies API keys. An unknown id, a wrong secret and a malformed key are refused alike; only a caller with the whole key
 * learns that it was revoked, has expired, or is not allowed from the caller's address.
 */

import type { Database } from '../../database/pool.js'
import type { Logger } from '../../logging/logger.js'
import { type AddressRange, isWithin, parseRange } from '../../network/address-range.js'
import { type Grants, storedGrants } from '../grants/grants.js'
import type { Principal } from '../principal.js'
import { addressNotAllowed, keyExpired, keyInvalid, keyRevoked } from '../refusals.js'
import { ApiKeyCache } from './api-key-cache.js'
import { type StoredKey, selectImportedKey, selectKey } from './api-key-rows.js'
import { hashSecret, isSecretOf, parseApiKey } from './api-key-secret.js'
import { ApiKeyUses } from './api-key-uses.js'
import { hasImportedForm, mayBeImported } from './imported-key.js'

export interface ApiKeysOptions {
  readonly database: Database
  readonly logger: Logger
  /** Monotonic clock of the cache, in milliseconds. Default: performance.now. */
  readonly now?: () => number
}

/** The rights and the end of a key, as they are now. */
export interface KeyState {
  /** In ms since 1970; Infinity never, -Infinity if the key is revoked or does not exist. */
  readonly expiresAt: number
  readonly grants: Grants | undefined
}

interface KnownKey extends Omit<StoredKey, 'grants'> {
  readonly grants: Grants | undefined
  /** Addresses that may use the key; undefined allows all. */
  readonly ranges: readonly AddressRange[] | undefined
}

export class ApiKeys {
  readonly #cache: ApiKeyCache<KnownKey>
  /** The ids of imported keys by the hash of their text, in hexadecimal. */
  readonly #imported: ApiKeyCache<{ readonly id: string }>
  readonly #uses: ApiKeyUses

  constructor({ database, logger, now = () => performance.now() }: ApiKeysOptions) {
    this.#cache = new ApiKeyCache({ load: async id => known(await selectKey(database, id)), now })
    const load = async (hash: string) => selectImportedKey(database, Buffer.from(hash, 'hex'))
    this.#imported = new ApiKeyCache<{ readonly id: string }>({ load, now })
    this.#uses = new ApiKeyUses({ database, logger })
  }

  start(): void {
    this.#uses.start()
  }

  /** Writes the last-used times. The database must still be open; without it they are lost. */
  close(): Promise<void> {
    return this.#uses.close()
  }

  /**
   * @param address of the client, as reported by trusted proxies.
   * @param mayLookUp called before the database is queried; an error that it throws is thrown here.
   * @throws {Problem} 401 `key-invalid`, `key-revoked`, `key-expired`; 403 `address-not-allowed`; the error of the database if
   *   the key cannot be looked up: never a 401, or clients would discard a valid key.
   */
  async principalOf(text: string, address: string | undefined, mayLookUp?: () => void): Promise<Principal> {
    const given = parseApiKey(text)
    const key = await this.#find(text, mayLookUp)
    if (!isSecretOf(given?.secret ?? text, key?.secret_hash) || !key) throw keyInvalid()
    if (key.prefix !== null && !hasImportedForm(text, key.prefix)) throw keyInvalid()
    if (key.revoked_at !== null) throw keyRevoked()
    const expiresAt = key.expires_at?.getTime() ?? Number.POSITIVE_INFINITY
    if (expiresAt <= Date.now()) throw keyExpired()
    if (!isAllowedFrom(key, address)) throw addressNotAllowed(address)
    this.#uses.note(key.id)
    return {
      id: `key:${key.id}`,
      workspace: key.workspace,
      role: key.role,
      grants: key.grants,
      expiresAt,
      issuedAt: key.created_at.getTime(),
      credential: { kind: 'key', id: key.id },
    }
  }

  /** The key with the id in `text`, even if the secret is wrong, or the imported key; undefined if there is none. */
  async named(text: string): Promise<{ readonly id: string; readonly workspace: string } | undefined> {
    return await this.#find(text)
  }

  async stateOf(id: string): Promise<KeyState> {
    const key = await this.#cache.find(id)
    if (!key || key.revoked_at !== null) return { expiresAt: Number.NEGATIVE_INFINITY, grants: key?.grants }
    return { expiresAt: key.expires_at?.getTime() ?? Number.POSITIVE_INFINITY, grants: key.grants }
  }

  /** Whether a key is still valid and accepted from this address; links depend on it. @param address as for `principalOf`. */
  async isGoodFrom(id: string, address: string | undefined): Promise<boolean> {
    const key = await this.#cache.find(id)
    if (!key || key.revoked_at !== null) return false
    return (key.expires_at?.getTime() ?? Number.POSITIVE_INFINITY) > Date.now() && isAllowedFrom(key, address)
  }

  /** Call this when the key has changed: the next request reads it from the database. */
  forget(id: string): void {
    this.#cache.forget(id)
    this.#imported.forgetUnknown()
  }

  /** Call this when any key may have changed. */
  forgetAll(): void {
    this.#cache.forgetAll()
    this.#imported.forgetAll()
  }

  /** The row that the text names, by its id or, if it has none, by its hash. Its secret is not verified yet. */
  async #find(text: string, mayLookUp?: () => void): Promise<KnownKey | undefined> {
    const given = parseApiKey(text)
    if (given) return await this.#cache.find(given.id, mayLookUp)
    if (!mayBeImported(text)) return undefined
    const imported = await this.#imported.find(hashSecret(text).toString('hex'), mayLookUp)
    return imported && (await this.#cache.find(imported.id, mayLookUp))
  }
}

/** Parses the address ranges and the grants once per look-up. */
function known(key: StoredKey | undefined): KnownKey | undefined {
  return (
    key && {
      ...key,
      ranges: key.allowed_ips?.flatMap(text => parseRange(text) ?? []),
      grants: storedGrants(key.grants),
    }
  )
}

function isAllowedFrom({ ranges }: KnownKey, address: string | undefined): boolean {
  return ranges === undefined || isWithin(address, ranges)
}
