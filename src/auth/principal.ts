/** The authenticated caller. Everything that a principal can reach belongs to its workspace (I7). */
import type { Grants } from './grants/grants.js'

/** In ascending order: each role includes the ones before it, except `runner` (for job runners), which includes none. */
export const ROLES = ['viewer', 'editor', 'admin', 'runner'] as const
export type Role = (typeof ROLES)[number]

export interface Principal {
  readonly id: string
  readonly workspace: string
  readonly role: Role
  /** Limit the principal to some streams and types, below its role; undefined: all that the role allows. */
  readonly grants?: Grants | undefined
  /** When the credentials expire, in milliseconds since 1970; streams end with them. Infinity: never. */
  readonly expiresAt: number
  /** When the credentials were issued, in milliseconds since 1970; 0 if unknown, so that every revocation concerns them. */
  readonly issuedAt: number
  readonly credential: Credential
}

/** The credential that authenticated the caller. Its id is public: revocations and the audit log name it. */
export type Credential =
  | { readonly kind: 'token' /** The `jti`, if the token has one. */; readonly id: string | undefined }
  | { readonly kind: 'key'; readonly id: string }

/** The author of a change, its workspace, and the trace that the change belongs to (tracing/traceparent.ts). */
export type Author = Pick<Principal, 'id' | 'workspace'> & { readonly traceparent?: string }

/** Whether `role` includes one of the roles `needed`. */
export function allows(role: Role, needed: readonly Role[]): boolean {
  return needed.some(one =>
    role === 'runner' || one === 'runner' ? role === one : ROLES.indexOf(role) >= ROLES.indexOf(one),
  )
}
