/** The caller, as the console needs it: to show what it may use. The gateway decides; the console only leaves out what it would refuse. */
import { claimsOf } from './credentials.ts'

export type Role = 'viewer' | 'editor' | 'admin' | 'runner'

export interface Principal {
  readonly id: string
  readonly workspace: string
  readonly role: Role
}

const RANKS: Readonly<Record<Role, number>> = { runner: 0, viewer: 1, editor: 2, admin: 3 }

export function principalOf(credentials: string): Principal {
  const { sub, workspace, role } = claimsOf(credentials)
  return {
    id: typeof sub === 'string' ? sub : '',
    workspace: typeof workspace === 'string' ? workspace : '',
    role: isRole(role) ? role : 'admin',
  }
}

export function allows({ role }: Principal, needed: Exclude<Role, 'runner'>): boolean {
  return RANKS[role] >= RANKS[needed]
}

function isRole(value: unknown): value is Role {
  return typeof value === 'string' && Object.hasOwn(RANKS, value)
}
