/** Who calls. Everything a principal can reach belongs to its workspace (I7). */

/** From the least to the most; each may do what the ones before it may. `runner` stands apart (job runners). */
export const ROLES = ['viewer', 'editor', 'admin', 'runner'] as const
export type Role = (typeof ROLES)[number]

export interface Principal {
  readonly id: string
  readonly workspace: string
  readonly role: Role
  /** When the credentials end, in milliseconds since 1970; a stream ends with them. Infinity: never. */
  readonly expiresAt: number
  /** When the credentials were issued, in milliseconds since 1970; 0 when nobody knows, so that every revocation concerns them. */
  readonly issuedAt: number
  readonly credential: Credential
}

/** What proved who calls. Its id is public: it names the credential in revocations and in the audit log. */
export type Credential =
  | { readonly kind: 'token' /** Its `jti`, where it has one. */; readonly id: string | undefined }
  | { readonly kind: 'key'; readonly id: string }

/** Who changes something, and where. */
export type Author = Pick<Principal, 'id' | 'workspace'>

/** Whether `role` may do what asks for one of `needed`. */
export function allows(role: Role, needed: readonly Role[]): boolean {
  return needed.some(one =>
    role === 'runner' || one === 'runner' ? role === one : ROLES.indexOf(role) >= ROLES.indexOf(one),
  )
}
