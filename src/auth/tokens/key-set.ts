/**
 * The public keys of an issuer by id (JWKS, RFC 7517), fetched as a whole and cached. A withdrawn key is gone at the next
 * fetch; unknown ids cannot cause more than one fetch in 5 s; while the issuer is unreachable, the cached keys remain valid
 * for an hour. An issuer that keeps failing is asked less often, by one fetch at a time (circuit-breaker.ts).
 */
import { type Breaker, Breakers } from '../../network/circuit-breaker.js'
import { unavailable } from '../../problems/problem.js'
import { steadyClock } from '../../process/steady-clock.js'
import { tokenInvalid } from '../refusals.js'
import { fetchKeys, type PublicKey } from './key-set-document.js'

/** The set is fetched again after this time, so a withdrawn key is accepted no longer than this while the issuer answers. */
const FRESH_MS = 5 * 60_000
/** How long the cached set is used while the issuer does not answer. */
const STALE_MS = 60 * 60_000
/** Minimum time between two fetches, whatever tokens arrive. */
const PAUSE_MS = 5_000
/** An issuer that is back is asked within this time, however long it was away. */
const LONGEST_PAUSE_MS = 20_000
const WELL_KNOWN = '.well-known/jwks.json'

export interface KeySet {
  /**
   * The key (PEM) that a token with this header must be signed with. If the header has no id: the only key that fits.
   * @throws {Problem} 401 `token-invalid` if there is no such key; 503 `keys-unavailable` if the set cannot be fetched.
   */
  find(header: { readonly kid?: unknown; readonly alg?: unknown }): Promise<string>
}

/** @param issuer URL of the set; a URL without a path, or ending in `/`, means the well-known place below it. */
export function createKeySet(issuer: string, now: () => number = steadyClock()): KeySet {
  const url = setUrl(issuer)
  const breaker = breakerOf(url)
  let keys: readonly PublicKey[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let triedAt = Number.NEGATIVE_INFINITY
  let failure: unknown
  let fetching: Promise<void> | undefined

  async function fetchOnce(): Promise<void> {
    triedAt = now()
    await breaker.run(tryToFetch, () => (failure === undefined ? 'answers' : { failure: String(failure) }))
  }

  async function tryToFetch(): Promise<void> {
    try {
      keys = await fetchKeys(url)
      fetchedAt = now()
      failure = undefined
    } catch (error) {
      failure = error
    }
  }

  function refresh(): Promise<void> {
    fetching ??= fetchOnce().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  return {
    async find({ kid, alg }) {
      const atHand = () => (now() - fetchedAt <= STALE_MS ? only(keys, kid, alg) : undefined)
      let key = atHand()
      const wanted = key === undefined || now() - fetchedAt > FRESH_MS
      const mayAsk = now() - triedAt >= PAUSE_MS && breaker.heldUntil() === undefined
      if (wanted && (fetching !== undefined || mayAsk)) {
        const refreshed = refresh()
        // While the issuer does not answer, a request whose key is cached does not wait for it.
        if (key === undefined || failure === undefined) await refreshed
        key = atHand()
      }
      if (key !== undefined) return key.pem
      if (failure === undefined) throw tokenInvalid('its issuer has no such key')
      throw unavailable(
        'keys-unavailable',
        'The keys that verify tokens cannot be fetched. Try again.',
        secondsUntilNext(breaker),
        failure,
      )
    },
  }
}

function breakerOf({ origin }: URL): Breaker {
  return new Breakers({ minPauseMs: PAUSE_MS, maxPauseMs: LONGEST_PAUSE_MS }).of(origin)
}

function secondsUntilNext(breaker: Breaker): number {
  const heldMs = (breaker.heldUntil() ?? 0) - Date.now()
  return Math.ceil(Math.max(heldMs, PAUSE_MS) / 1_000)
}

function setUrl(issuer: string): URL {
  const url = new URL(issuer)
  return url.pathname.endsWith('/') ? new URL(WELL_KNOWN, url) : url
}

function only(keys: readonly PublicKey[], kid: unknown, alg: unknown): PublicKey | undefined {
  const fitting = keys.filter(
    key => (kid === undefined || key.id === kid) && key.algorithms.some(algorithm => algorithm === alg),
  )
  return fitting.length === 1 || kid !== undefined ? fitting[0] : undefined
}
