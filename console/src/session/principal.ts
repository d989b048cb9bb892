/**
 * The caller, as the gateway sees it (`GET /api/principal`). The console hides pages and buttons that the caller may not use; the
 * gateway decides in any case.
 */
import { createApi } from '../api/api.ts'

export type Role = 'viewer' | 'editor' | 'admin' | 'runner'

export interface Principal {
  readonly id: string
  readonly workspace: string
  readonly role: Role
  /** The limits of the role; null: none. */
  readonly grants: {
    readonly subscribe: readonly string[]
    readonly publish: readonly string[]
    readonly types: readonly string[]
  } | null
  readonly expires_at: string | null
  /** Whether it may see and change what concerns all workspaces. */
  readonly is_operator: boolean
  /** The parts of the API that the gateway serves. */
  readonly parts: readonly string[]
}

const RANKS: Readonly<Record<Role, number>> = { runner: 0, viewer: 1, editor: 2, admin: 3 }

/** @throws {ProblemError} if the gateway refuses the credentials, or nobody answers. */
export function principalOf(credentials: string): Promise<Principal> {
  return createApi({ credentials: () => credentials }).get('api/principal')
}

export function allows({ role }: Principal, needed: Exclude<Role, 'runner'>): boolean {
  return RANKS[role] >= RANKS[needed]
}
