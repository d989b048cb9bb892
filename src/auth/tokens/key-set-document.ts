/**
 * Fetches a key set (RFC 7517) from the configured URL and parses it. The issuer is trusted with its keys and nothing else: it
 * cannot redirect us, make us wait, or fill our memory.
 */

import { createPublicKey, type KeyObject } from 'node:crypto'
import { basicAuthorization, jsonTextOf, withoutCredentials } from '../json-answer.js'
import { type Algorithm, algorithmsOf, pemOf } from './keys.js'

const FETCH_TIMEOUT_MS = 5_000
/** A key with its certificates has about 4 KiB. */
const MAX_BYTES = 512 * 1024
const MAX_KEYS = 100

export interface PublicKey {
  readonly id: string | undefined
  readonly algorithms: readonly Algorithm[]
  readonly pem: string
}

/**
 * @param address may contain a user name and a password (RFC 7617).
 * @throws {Error} if the answer is not a key set or does not arrive in time; the message names the remedy.
 */
export async function fetchKeys(address: URL): Promise<PublicKey[]> {
  const url = withoutCredentials(address)
  // The time limit covers the body too.
  const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS)
  const headers = { accept: 'application/json', ...basicAuthorization(address) }
  const response = await fetch(url, { headers, signal, redirect: 'manual' })
  try {
    return keysIn(await textOf(response))
  } catch (error) {
    throw new Error(`${url.origin}${url.pathname} gave no key set`, { cause: error })
  } finally {
    // Drops the rest of a refused answer. An answer that was read, or that broke, has nothing left to cancel.
    await response.body?.cancel().catch(() => undefined)
  }
}

async function textOf(response: Response): Promise<string> {
  const { ok, status } = response
  if (status >= 300 && status < 400) {
    throw new Error(
      `It answered ${status}. Redirects are not followed: set JWKS_URL to the address that has the keys.`,
    )
  }
  if (!ok) throw new Error(`It answered ${status}.`)
  return jsonTextOf(response, MAX_BYTES, 'It')
}

function keysIn(text: string): PublicKey[] {
  const document: unknown = JSON.parse(text)
  if (
    typeof document !== 'object' ||
    document === null ||
    !('keys' in document) ||
    !Array.isArray(document.keys)
  ) {
    throw new Error('It has no array of keys.')
  }
  if (document.keys.length > MAX_KEYS) throw new Error(`It has more than ${MAX_KEYS} keys.`)
  return document.keys.flatMap(readKey)
}

/** Skips keys for other uses, of other kinds, and unreadable ones (RFC 7517 §5). */
function readKey(jwk: unknown): PublicKey[] {
  if (typeof jwk !== 'object' || jwk === null) return []
  const { kid, use, alg } = jwk as { kid?: unknown; use?: unknown; alg?: unknown }
  if (use !== undefined && use !== 'sig') return []
  const key = publicKeyOf(jwk)
  const algorithms = key ? algorithmsOf(key).filter(algorithm => alg === undefined || algorithm === alg) : []
  return key && algorithms.length > 0
    ? [{ id: typeof kid === 'string' ? kid : undefined, algorithms, pem: pemOf(key) }]
    : []
}

function publicKeyOf(jwk: object): KeyObject | undefined {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' })
  } catch {
    return undefined
  }
}
