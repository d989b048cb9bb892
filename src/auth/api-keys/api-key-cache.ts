/**
 * What is known of API keys by their ids, for a few seconds, also that there is none. So a key costs one query in that
 * time, and still works for as long while the database is away. Whoever changes a key has it forgotten, in all processes;
 * what was being read at that moment is not kept.
 */
import { LRUCache } from 'lru-cache'

/** How long a change lasts that nobody told us of. */
const TTL_MS = 5_000
/** Each of about 500 bytes. */
const KNOWN_KEYS = 10_000
/** Apart from the others, so that made-up ids cannot drive out keys that are in use. */
const UNKNOWN_KEYS = 10_000

export interface ApiKeyCacheOptions<Key> {
  /** Looks an id up; what it throws is remembered by nobody. */
  load(id: string): Promise<Key | undefined>
  /** A clock in milliseconds that never goes backwards. */
  now(): number
}

export class ApiKeyCache<Key extends object> {
  readonly #load: ApiKeyCacheOptions<Key>['load']
  readonly #known: LRUCache<string, Key>
  readonly #unknown: LRUCache<string, true>
  /** By id, so that many requests with one key ask once. */
  readonly #loading = new Map<string, Promise<Key | undefined>>()

  constructor({ load, now }: ApiKeyCacheOptions<Key>) {
    // Every look at the clock counts: `ttlResolution` would let a value live on for its own length.
    const life = { ttl: TTL_MS, ttlResolution: 0, perf: { now } }
    this.#load = load
    this.#known = new LRUCache({ max: KNOWN_KEYS, ...life })
    this.#unknown = new LRUCache({ max: UNKNOWN_KEYS, ...life })
  }

  /** @param mayLoad called before it is looked up for this caller; what it throws is thrown here. */
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
