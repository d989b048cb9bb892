/**
 * Finds the facts about a refused caller for the audit log: only those that the refusal itself has proven. A token that is
 * expired or revoked has a valid signature, or it would have been refused for that. The id of an API key names its workspace,
 * but only its secret proves that the caller holds the key.
 */

import { textOf } from '../bytes/utf8.js'
import type { Problem } from '../problems/problem.js'
import type { ApiKeys } from './api-keys/api-keys.js'
import type { Credentials } from './credentials.js'
import type { Principal } from './principal.js'
import { type ClaimRules, principalOf } from './tokens/token.js'

export interface RefusedCaller {
  /** Undefined unless proven. */
  readonly workspace: string | undefined
  readonly principal: string | null
  /** Public names of the credential. */
  readonly details: { readonly key?: string; readonly token_id?: string }
}

export interface RefusedCallerSources {
  readonly claims: ClaimRules
  readonly apiKeys: Pick<ApiKeys, 'named'>
}

const UNKNOWN: RefusedCaller = { workspace: undefined, principal: null, details: {} }
/** Codes that refuse tokens whose signature is valid. */
const SIGNED: ReadonlySet<string> = new Set(['token-expired', 'token-revoked'])

/** Whether `problem` refuses a credential: not a request without credentials, nor an act beyond the caller's role. */
export function isFailedAuthentication({ status, code }: Problem): boolean {
  if (status === 401) return code !== 'token-missing'
  return code === 'address-not-allowed' || code === 'key-in-url'
}

/** @param code of the refusal. Never rejects. */
export async function refusedCallerOf(
  credentials: Credentials | undefined,
  code: string,
  { claims, apiKeys }: RefusedCallerSources,
): Promise<RefusedCaller> {
  if (credentials === undefined) return UNKNOWN
  const { kind, text } = credentials
  try {
    if (kind === 'token' && SIGNED.has(code)) return ofToken(principalOf(claimsOf(text), claims))
    if (kind !== 'key') return UNKNOWN
    const key = await apiKeys.named(text)
    if (key === undefined) return UNKNOWN
    const principal = code === 'key-invalid' ? null : `key:${key.id}`
    return { workspace: key.workspace, principal, details: { key: key.id } }
  } catch {
    return UNKNOWN
  }
}

function ofToken({ workspace, id, credential }: Principal): RefusedCaller {
  const details = credential.id === undefined ? {} : { token_id: credential.id }
  return { workspace, principal: id, details }
}

function claimsOf(token: string): object {
  return JSON.parse(textOf(Buffer.from(token.split('.')[1] ?? '', 'base64url'), 'The token'))
}
