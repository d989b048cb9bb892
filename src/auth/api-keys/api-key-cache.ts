/**
 * Caches API keys by id for a few seconds, and unknown ids too. So a key costs one query in that time, and keeps working that
 * long after the database becomes unavailable. A change of a key removes it from the caches of all processes, and a read
 * that was under way at that moment is not cached.
 */
import { LRUCache } from 'lru-cache'

/** How long a stale key is used if the message about its change is lost. */
const TTL_MS = 5_000
/** About 500 bytes each. */
const KNOWN_KEYS = 10_000
/** A separate cache, so that guessed ids cannot evict keys that are in use. */
const UNKNOWN_KEYS = 10_000

export interface ApiKeyCacheOptions<Key> {
  /** Looks up an id. Errors are not cached. */
  load(id: string): Promise<Key | undefined>
  /** A clock in milliseconds that never goes backwards. */
  now(): number
}

export class ApiKeyCache<Key extends object> {
  readonly #load: ApiKeyCacheOptions<Key>['load']
  readonly #known: LRUCache<string, Key>
  readonly #unknown: LRUCache<string, true>
  /** By id: concurrent requests with one key share a query. */
  readonly #loading = new Map<string, Promise<Key | undefined>>()

  constructor({ load, now }: ApiKeyCacheOptions<Key>) {
    // 0 reads the clock every time; any other resolution would extend the life of a value.
    const life = { ttl: TTL_MS, ttlResolution: 0, perf: { now } }
    this.#load = load
    this.#known = new LRUCache({ max: KNOWN_KEYS, ...life })
    this.#unknown = new LRUCache({ max: UNKNOWN_KEYS, ...life })
  }

  /** @param mayLoad called before this caller queries the database; an error that it throws is thrown here. */
  async find(id: string, mayLoad?: () => void): Promise<Key | undefined> {
    const known = this.#known.get(id)
    if (known !== undefined || this.#unknown.has(id)) return known
    const loading = this.#loading.get(id)
    if (loading) return loading
    mayLoad?.()
    return this.#read(id)
  }

  forget(id: string): void {
    this.#known.delete(id)
    this.#unknown.delete(id)
    this.#loading.delete(id)
  }

  /** Call this when a key may have been added. */
  forgetUnknown(): void {
    this.#unknown.clear()
    this.#loading.clear()
  }

  forgetAll(): void {
    this.#known.clear()
    this.#unknown.clear()
    this.#loading.clear()
  }

  #read(id: string): Promise<Key | undefined> {
    const loading = this.#load(id)
      .then(key => {
        if (this.#loading.get(id) === loading) this.#keep(id, key)
        return key
      })
      .finally(() => {
        if (this.#loading.get(id) === loading) this.#loading.delete(id)
      })
    this.#loading.set(id, loading)
    return loading
  }

  #keep(id: string, key: Key | undefined): void {
    if (key === undefined) this.#unknown.set(id, true)
    else this.#known.set(id, key)
  }
}
