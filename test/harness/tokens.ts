/**
 * Tokens for tests, the bad ones too: any header and any claims, signed (or not) by hand, because no library would
 * make most of them.
 */
import { constants, createHmac, type KeyObject, sign } from 'node:crypto'
import type { ClaimRules } from '../../src/auth/tokens/token.js'

export const SECRET = 'a secret for tests, 32 characters and more'

/** The rules of a gateway without settings. */
export const CLAIMS: ClaimRules = {
  workspaceClaim: ['workspace'],
  roleClaim: ['role'],
  roles: { map: new Map(), otherwise: undefined },
}

/** Claims that are fine in every respect; override one to make a token bad in that one. */
export function goodClaims(claims: object = {}): object {
  return { sub: 'ada', workspace: 'acme', role: 'viewer', exp: secondsFromNow(3600), ...claims }
}

export function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds
}

/** A token signed with HS256 (HS512 where the header says so) and the secret of tests, unless told otherwise. */
export function token(claims: object = {}, header: object = {}, secret: string = SECRET): string {
  const input = signingInput({ alg: 'HS256', typ: 'JWT', ...header }, goodClaims(claims))
  const hash = Reflect.get(header, 'alg') === 'HS512' ? 'sha512' : 'sha256'
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

/** A token signed with a private key; the header decides nothing. */
export function signedBy(
  key: KeyObject,
  algorithm: 'RS256' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA',
  header: object = {},
) {
  const input = signingInput({ alg: algorithm, typ: 'JWT', ...header }, goodClaims())
  const hash = algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`
  const signature = sign(hash, Buffer.from(input), {
    key,
    dsaEncoding: 'ieee-p1363',
    ...(algorithm === 'PS256' && { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  })
  return `${input}.${signature.toString('base64url')}`
}

/** Header and payload as they are, with the given signature or none. */
export function unsigned(header: object, claims: unknown = goodClaims(), signature = ''): string {
  return `${signingInput(header, claims)}.${signature}`
}

/** The claims of a token, unverified. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString() || '{}')
}

export function bearer(credentials: string): { authorization: string } {
  return { authorization: `Bearer ${credentials}` }
}

function signingInput(header: object, claims: unknown): string {
  return [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
}
