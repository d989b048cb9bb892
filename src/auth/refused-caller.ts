/**
 * What is known of whoever was refused, for the audit log: only what the refusal itself has proven. A token that has
 * ended or was revoked was properly signed, or it would have been refused for that; a key's id names its workspace, but
 * only who brings its secret is the key.
 */

import { textOf } from '../bytes/utf8.js'
import type { Problem } from '../problems/problem.js'
import type { ApiKeys } from './api-keys/api-keys.js'
import type { Credentials } from './credentials.js'
import type { Principal } from './principal.js'
import { type ClaimRules, principalOf } from './tokens/token.js'

export interface Suspect {
  readonly workspace: string | undefined
  readonly principal: string | null
  /** Public names of the credential. */
  readonly details: { readonly key?: string; readonly token_id?: string }
}

export interface SuspectSources {
  readonly claims: ClaimRules
  readonly apiKeys: Pick<ApiKeys, 'named'>
}

const STRANGER: Suspect = { workspace: undefined, principal: null, details: {} }
/** Refusals of tokens whose signature fitted. */
const SIGNED: ReadonlySet<string> = new Set(['token-expired', 'token-revoked'])

/** Whether this is the refusal of a credential, not of a request without any, nor of what a known principal may not do. */
export function isFailedAuthentication({ status, code }: Problem): boolean {
  if (status === 401) return code !== 'token-missing'
  return code === 'address-not-allowed' || code === 'key-in-url'
}

/** @param code of the refusal. Never throws. */
export async function suspectOf(
  credentials: Credentials | undefined,
  code: string,
  { claims, apiKeys }: SuspectSources,
): Promise<Suspect> {
  if (credentials === undefined) return STRANGER
  const { kind, text } = credentials
  try {
    if (kind === 'token' && SIGNED.has(code)) return ofToken(principalOf(claimsOf(text), claims))
    if (kind !== 'key') return STRANGER
    const key = await apiKeys.named(text)
    if (key === undefined) return STRANGER
    const principal = code === 'key-invalid' ? null : `key:${key.id}`
    return { workspace: key.workspace, principal, details: { key: key.id } }
  } catch {
    return STRANGER
  }
}

function ofToken({ workspace, id, credential }: Principal): Suspect {
  const details = credential.id === undefined ? {} : { token_id: credential.id }
  return { workspace, principal: id, details }
}

function claimsOf(token: string): object {
  return JSON.parse(textOf(Buffer.from(token.split('.')[1] ?? '', 'base64url'), 'The token'))
}
