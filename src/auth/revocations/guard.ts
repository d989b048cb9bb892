/**
 * Whether credentials that were good when they were verified still are: asked for each request, and again where a stream
 * is opened; and the end of all that is open when they are not.
 *
 * What is revoked is known in memory. Whoever changes that here looks at everybody who is in at once; whoever comes in asks
 * in the very turn in which he is taken up. So nobody slips through between the two.
 */
import { LRUCache } from 'lru-cache'
import type { Database } from '../../database/pool.js'
import type { Permit } from '../../hub/permit.js'
import { unavailable } from '../../problems/problem.js'
import { withinDeadline } from '../../process/deadline.js'
import type { Principal, Role } from '../principal.js'
import { keyRevoked, tokenRevoked } from '../refusals.js'
import type { MadeRevocation, RemovedRevocation } from './access-change.js'
import { CredentialWatch } from './credential-watch.js'
import type { OpenStreams } from './open-streams.js'
import { selectInForce } from './revocation-rows.js'
import { Revocations } from './revocations.js'

/** How long a request waits until the revocations have been read for the first time. */
const FIRST_LOAD_MS = 2_000
/** Keys that have changed while this process ran. */
const CHANGED_KEYS = 10_000
/** Revocations whose removal is remembered; it is needed for as long as a COMMIT takes to be answered. */
const REMOVED_REVOCATIONS = 10_000

export interface GuardOptions {
  readonly database: Database
  readonly streams: Pick<OpenStreams, 'admit' | 'principals' | 'revoke' | 'renew' | 'endKey'>
  readonly keys: {
    forget(id: string): void
    forgetAll(): void
    /** In ms since 1970; Infinity never, -Infinity when it has been revoked or there is none. */
    endOf(id: string): Promise<number>
  }
}

/** A revocation that was made or removed. */
export type RevocationChange = { readonly made: MadeRevocation } | { readonly removed: RemovedRevocation }

export class Guard {
  readonly #options: GuardOptions
  readonly #watches = new Set<CredentialWatch>()
  readonly #keyEnds = new LRUCache<string, number>({ max: CHANGED_KEYS })
  readonly #loaded: Promise<void>
  #tellLoaded: () => void = () => {}
  #revocations: Revocations | undefined
  /** Told while the revocations are being read: what is read may be of before. */
  #meanwhile: RevocationChange[] | undefined
  /** A removal may be heard of before the answer to what made the revocation. */
  readonly #removed = new LRUCache<string, true>({ max: REMOVED_REVOCATIONS })
  #reading: Promise<void> = Promise.resolve()
  #queued: Promise<void> | undefined

  constructor(options: GuardOptions) {
    this.#options = options
    this.#loaded = new Promise(resolve => {
      this.#tellLoaded = resolve
    })
  }

  /**
   * To be awaited for every request, however its credentials were verified, or remembered.
   * @throws {Problem} 401 `token-revoked`, `key-revoked`; 503 `database-unavailable` where nobody can say yet.
   */
  async assertNotRevoked(principal: Principal): Promise<void> {
    if (!this.#revocations) await withinDeadline(this.#loaded, FIRST_LOAD_MS)
    this.current(principal)
  }

  /**
   * The principal as its credentials are now: to be asked in the turn in which a stream is opened.
   * @throws {Problem} as `assertNotRevoked`.
   */
  current(principal: Principal): Principal {
    if (!this.#revocations) {
      throw unavailable('database-unavailable', 'What has been revoked cannot be read yet. Try again.')
    }
    if (this.#concerns(principal)) throw principal.credential.kind === 'key' ? keyRevoked() : tokenRevoked()
    return this.#endingWithKey(principal)
  }

  /**
   * The permit for a stream that the principal is about to open, with its credentials as they are now: ask for it in the
   * turn of the event loop in which the hub opens the stream.
   * @param access the stream can be opened with any of these roles, so newer credentials must have one of them too.
   * @throws {Problem} as `assertNotRevoked`.
   */
  admit(principal: Principal, access: readonly Role[]): Permit {
    return this.#options.streams.admit(this.current(principal), access)
  }

  /** Requests in this process whose credentials are watched because they go on for long. */
  get watched(): number {
    return this.#watches.size
  }

  /**
   * Watches the credentials of a request until it is stopped.
   * @throws {Problem} as `assertNotRevoked`.
   */
  watch(principal: Principal): CredentialWatch {
    this.current(principal)
    const watch = new CredentialWatch({
      principal,
      current: one => this.current(one),
      onStopped: () => this.#watches.delete(watch),
    })
    this.#watches.add(watch)
    watch.check()
    return watch
  }

  /**
   * What `wait` finds for a request, unless its credentials are revoked meanwhile.
   * @param gone aborts when the client disconnects. The signal that `wait` gets aborts then too, and when the credentials end.
   * @throws {Problem} as `assertNotRevoked`.
   */
  async whileGood<T>(
    principal: Principal,
    gone: AbortSignal,
    wait: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const watch = this.watch(principal)
    try {
      const found = await wait(AbortSignal.any([gone, watch.signal]))
      this.current(principal)
      return found
    } finally {
      watch.stop()
    }
  }

  /** Begins anew: reads the revocations, and how the keys are that somebody is here with, or will come with. */
  async load(): Promise<void> {
    this.#options.keys.forgetAll()
    await this.reload()
    const keys = new Set(
      [...this.#present()].flatMap(({ credential: { kind, id } }) => (kind === 'key' ? id : [])),
    )
    await Promise.all([...keys].map(key => this.keyChanged(key)))
  }

  /** Takes note of revocations that were made or removed, in their order. The same one may be told again. */
  apply(changes: readonly RevocationChange[]): void {
    this.#meanwhile?.push(...changes)
    if (!this.#revocations) return
    this.#applyTo(this.#revocations, changes)
    if (changes.some(change => 'made' in change)) this.#sweep()
  }

  /**
   * Reads all revocations: at the start, after a gap, and when nobody says which one has changed. Of many who ask meanwhile all
   * get what is read after they asked.
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
    const { keys, streams } = this.#options
    keys.forget(key)
    const end = await keys.endOf(key)
    this.#keyEnds.set(key, end)
    streams.endKey(key, end)
    this.#sweep()
  }

  /** Newer credentials for an open stream, wherever it is. Ones that have been revoked meanwhile are not taken. */
  renew(connection: string, principal: Principal): void {
    if (!this.#concerns(principal)) this.#options.streams.renew(connection, this.#endingWithKey(principal))
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
    this.#tellLoaded()
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
    const { credential } = principal
    const ended = credential.kind === 'key' && this.#keyEnds.get(credential.id) === Number.NEGATIVE_INFINITY
    return ended || (this.#revocations?.concerns(principal) ?? false)
  }

  /** Whoever verified the credentials may have known a key as it was before it was rotated. */
  #endingWithKey(principal: Principal): Principal {
    const { credential, expiresAt } = principal
    const end = credential.kind === 'key' ? this.#keyEnds.get(credential.id) : undefined
    return end === undefined || end >= expiresAt ? principal : { ...principal, expiresAt: end }
  }

  *#present(): Iterable<Principal> {
    yield* this.#options.streams.principals()
    for (const { principal } of this.#watches) yield principal
  }
}
