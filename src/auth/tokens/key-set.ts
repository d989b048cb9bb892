/**
 * An issuer's public keys, by their ids (JWKS, RFC 7517). Fetched as a whole and kept: a key that the issuer has
 * withdrawn is gone at the next fetch, an unknown id cannot make us fetch more often than every few seconds, and
 * while the issuer cannot be reached the keys we have stay good for a while.
 */
import { unavailable } from '../../problems/problem.js'
import { tokenInvalid } from '../refusals.js'
import { fetchKeys, type PublicKey } from './key-set-document.js'

/** After this the set is fetched anew: how long a withdrawn key lives on at most while the issuer answers. */
const FRESH_MS = 5 * 60_000
/** How long the set is believed while the issuer does not answer. */
const STALE_MS = 60 * 60_000
/** Least time between two fetches, whatever tokens come in. */
const PAUSE_MS = 5_000
const WELL_KNOWN = '.well-known/jwks.json'

export interface KeySet {
  /**
   * The key (PEM) that must have signed a token with this header. Without an id the one key that fits.
   * @throws {Problem} 401 `token-invalid`: there is no such key; 503 `keys-unavailable`: nobody can say.
   */
  find(header: { readonly kid?: unknown; readonly alg?: unknown }): Promise<string>
}

/** @param issuer the URL of the set, or of an issuer without a path (or with a final `/`) that has it in the usual place. */
export function createKeySet(issuer: string, now: () => number = Date.now): KeySet {
  const url = setUrl(issuer)
  let keys: readonly PublicKey[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let triedAt = Number.NEGATIVE_INFINITY
  let failure: unknown
  let fetching: Promise<void> | undefined

  async function fetchOnce(): Promise<void> {
    triedAt = now()
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
      if (wanted && (fetching !== undefined || now() - triedAt >= PAUSE_MS)) {
        const refreshed = refresh()
        // While the issuer is known not to answer, nobody waits for it whose key is at hand.
        if (key === undefined || failure === undefined) await refreshed
        key = atHand()
      }
      if (key !== undefined) return key.pem
      if (failure === undefined) throw tokenInvalid('its issuer has no such key')
      throw unavailable(
        'keys-unavailable',
        'The keys that prove tokens cannot be fetched. Try again.',
        5,
        failure,
      )
    },
  }
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
