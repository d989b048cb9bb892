/**
 * Enforces revocations on open and new streams and requests. It checks the credentials of each request, checks them again when
 * a stream is opened, and ends the open streams and requests whose credentials are revoked.
 *
 * Revocations are in memory. A new one is applied to all open streams in the same turn of the event loop; a new stream is
 * checked in the turn in which it is admitted. So there is no moment in between for a stream to escape.
 */
import { LRUCache } from 'lru-cache'
import type { Database } from '../../database/pool.js'
import type { Permit } from '../../hub/permit.js'
import { unavailable } from '../../problems/problem.js'
import { withinDeadline } from '../../process/deadline.js'
import type { KeyState } from '../api-keys/api-keys.js'
import type { Granted } from '../grants/stream-grant.js'
import type { Principal, Role } from '../principal.js'
import { keyRevoked, tokenRevoked } from '../refusals.js'
import type { MadeRevocation, RemovedRevocation } from './access-change.js'
import { CredentialWatch } from './credential-watch.js'
import { KeyStates } from './key-states.js'
import type { OpenStreams } from './open-streams.js'
import { selectInForce } from './revocation-rows.js'
import { Revocations } from './revocations.js'

/** How long a request waits for the first read of the revocations. */
const FIRST_LOAD_MS = 2_000
/** Number of removed revocations that are remembered; needed only as long as a COMMIT takes to be answered. */
const REMOVED_REVOCATIONS = 10_000

export interface GuardOptions {
  readonly database: Database
  readonly streams: Pick<OpenStreams, 'admit' | 'principals' | 'revoke' | 'renew' | 'keyChanged'>
  readonly keys: {
    forget(id: string): void
    forgetAll(): void
    stateOf(id: string): Promise<KeyState>
  }
}

/** A revocation that was made or removed. */
export type RevocationChange = { readonly made: MadeRevocation } | { readonly removed: RemovedRevocation }

export class Guard {
  readonly #options: GuardOptions
  readonly #watches = new Set<CredentialWatch>()
  readonly #keyStates = new KeyStates()
  readonly #loaded: Promise<void>
  #markLoaded: () => void = () => {}
  #revocations: Revocations | undefined
  /** Changes that arrive during a read of all revocations, which may not include them. */
  #meanwhile: RevocationChange[] | undefined
  /** The message about a removal may arrive before the answer to the request that made the revocation. */
  readonly #removed = new LRUCache<string, true>({ max: REMOVED_REVOCATIONS })
  #reading: Promise<void> = Promise.resolve()
  #queued: Promise<void> | undefined

  constructor(options: GuardOptions) {
    this.#options = options
    this.#loaded = new Promise(resolve => {
      this.#markLoaded = resolve
    })
  }

  /**
   * Must be called for every request, however its credentials were verified. It decides at once; only until the revocations
   * have been read for the first time, and for a key whose state may be out of date, it returns a promise, which must be awaited.
   * @throws {Problem} 401 `token-revoked`, `key-revoked`; 503 `database-unavailable` before the first read of the revocations.
   */
  assertNotRevoked(principal: Principal): Promise<void> | undefined {
    this.#keyStates.brought(principal)
    const read = this.#revocations ? this.#verify(principal) : withinDeadline(this.#loaded, FIRST_LOAD_MS)
    if (read) return read.then(() => void this.current(principal))
    this.current(principal)
    return undefined
  }

  /**
   * The principal with its current expiry and grants. Call this in the turn of the event loop in which a stream is opened.
   * @throws {Problem} as `assertNotRevoked`.
   */
  current(principal: Principal): Principal {
    if (!this.#revocations) {
      throw unavailable('database-unavailable', 'The revocations have not been read yet. Try again.')
    }
    if (this.#concerns(principal)) throw principal.credential.kind === 'key' ? keyRevoked() : tokenRevoked()
    return this.#keyStates.limit(principal)
  }

  /**
   * The permit for a stream that the principal is about to open, with its credentials as they are now: ask for it in the
   * turn of the event loop in which the hub opens the stream.
   * @param access the stream can be opened with any of these roles, so newer credentials must have one of them too.
   * @param granted what the grants of the principal must allow now, and as long as the stream is open.
   * @throws {Problem} as `assertNotRevoked`, and the refusal of `granted`.
   */
  admit(principal: Principal, access: readonly Role[], granted?: Granted): Permit {
    const now = this.current(principal)
    granted?.assertHeldBy(now.grants)
    return this.#options.streams.admit(now, access, granted)
  }

  /** Number of long requests in this process whose credentials are watched. */
  get watched(): number {
    return this.#watches.size
  }

  /**
   * Watches the credentials of a request until the watch is stopped.
   * @param granted what the grants of the principal must allow meanwhile.
   * @throws {Problem} as `assertNotRevoked`.
   */
  watch(principal: Principal, granted?: Granted): CredentialWatch {
    this.current(principal)
    const watch = new CredentialWatch({
      principal,
      granted,
      current: one => this.current(one),
      onStopped: () => this.#watches.delete(watch),
    })
    this.#watches.add(watch)
    watch.check()
    return watch
  }

  /**
   * The result of `wait` for a request, unless its credentials are revoked meanwhile.
   * @param disconnected aborts when the client disconnects. The signal of `wait` aborts then, or when the credentials end.
   * @param granted what the grants of the principal must allow until the end.
   * @throws {Problem} as `assertNotRevoked`, and the refusal of `granted`.
   */
  async whileGood<T>(
    principal: Principal,
    disconnected: AbortSignal,
    wait: (signal: AbortSignal) => Promise<T>,
    granted?: Granted,
  ): Promise<T> {
    const watch = this.watch(principal, granted)
    try {
      const found = await wait(AbortSignal.any([disconnected, watch.signal]))
      const { grants } = this.current(principal)
      granted?.assertHeldBy(grants)
      return found
    } finally {
      watch.stop()
    }
  }

  /**
   * Starts from scratch: reads all revocations and the keys of everything that is open or may be about to open, and empties the
   * cache of keys.
   */
  async load(): Promise<void> {
    this.#options.keys.forgetAll()
    this.#keyStates.historyMayDiffer()
    await this.reload()
    const present = [...this.#present()].flatMap(({ credential: { kind, id } }) => (kind === 'key' ? id : []))
    const keys = new Set([...present, ...this.#keyStates.latest()])
    const read = async (key: string) => {
      // One look at everything that is open for each key would take a second with thousands of both.
      if ((await this.#readKey(key))?.expiresAt === Number.NEGATIVE_INFINITY) this.#sweep()
    }
    await Promise.all([...keys].map(read)).finally(() => this.#sweep())
  }

  /** Applies revocations that were made or removed, in their order. The same change may be applied repeatedly. */
  apply(changes: readonly RevocationChange[]): void {
    this.#meanwhile?.push(...changes)
    if (!this.#revocations) return
    this.#applyTo(this.#revocations, changes)
    if (changes.some(change => 'made' in change)) this.#sweep()
  }

  /**
   * Reads all revocations: at the start, after a gap, and for a change that does not name its revocation. Concurrent callers
   * share the next read, which begins after their call.
   */
  reload(): Promise<void> {
    this.#queued ??= this.#reading
      .catch(() => {})
      .then(() => {
        this.#queued = undefined
        this.#reading = this.#read()
        return this.#reading
      })
    return this.#queued
  }

  async keyChanged(key: string): Promise<void> {
    if (await this.#readKey(key)) this.#sweep()
  }

  /** Applies newer credentials to an open stream of this process, unless they have been revoked meanwhile. */
  renew(connection: string, principal: Principal): void {
    if (!this.#concerns(principal)) this.#options.streams.renew(connection, this.#keyStates.limit(principal))
  }

  /** @param shared whether many callers share a look-up. @returns undefined if a newer state is known already. */
  async #readKey(key: string, shared = false): Promise<KeyState | undefined> {
    const { keys, streams } = this.#options
    if (!shared) keys.forget(key)
    const state = await this.#keyStates.read(key, id => keys.stateOf(id))
    if (state) streams.keyChanged(key, state)
    return state
  }

  /** Reads the state of its key again, if that may be out of date. Without an answer the known state counts. */
  #verify(principal: Principal): Promise<unknown> | undefined {
    const key = this.#keyStates.unverified(principal)
    return key === undefined ? undefined : this.#readKey(key, true).catch(() => undefined)
  }

  async #read(): Promise<void> {
    const meanwhile: RevocationChange[] = []
    this.#meanwhile = meanwhile
    try {
      const revocations = new Revocations(await selectInForce(this.#options.database))
      this.#applyTo(revocations, meanwhile)
      this.#revocations = revocations
    } finally {
      this.#meanwhile = undefined
    }
    this.#markLoaded()
    this.#sweep()
  }

  #applyTo(revocations: Revocations, changes: readonly RevocationChange[]): void {
    for (const change of changes) {
      if ('removed' in change) {
        this.#removed.set(change.removed.id, true)
        revocations.remove(change.removed)
      } else if (!this.#removed.has(change.made.id)) {
        revocations.add({ ...change.made, expiresAt: change.made.expiresAt ?? Number.POSITIVE_INFINITY })
      }
    }
  }

  #sweep(): void {
    this.#options.streams.revoke(principal => this.#concerns(principal))
    for (const watch of [...this.#watches]) watch.check()
  }

  #concerns(principal: Principal): boolean {
    return this.#keyStates.hasEnded(principal) || (this.#revocations?.concerns(principal) ?? false)
  }

  *#present(): Iterable<Principal> {
    yield* this.#options.streams.principals()
    for (const { principal } of this.#watches) yield principal
  }
}
