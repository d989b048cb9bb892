/**
 * From the role names that tokens and imported keys carry to roles. Sluice's own names stand for themselves unless the map
 * says otherwise.
 */
import type { Config } from '../config/config.js'
import { parseRoleMap } from '../config/role-map.js'
import { ROLES, type Role } from './principal.js'

export interface RoleNames {
  /** The roles of other systems' names. */
  readonly map: ReadonlyMap<string, Role>
  /** For callers without a mapped name; undefined refuses them. */
  readonly otherwise: Role | undefined
}

/** The least first. A runner cannot do what the others can, so `runner` counts only if no other role is named. */
const RANK: readonly Role[] = ['runner', 'viewer', 'editor', 'admin']

export function roleNames({ JWT_ROLE_MAP = '', JWT_DEFAULT_ROLE }: Config): RoleNames {
  return { map: parseRoleMap(JWT_ROLE_MAP).roles, otherwise: JWT_DEFAULT_ROLE }
}

/**
 * The highest role that the value names: a text, or an array, whose elements that are not texts name none. If there is no
 * value, or it names no role, the default.
 */
export function roleNamed(value: unknown, { map, otherwise }: RoleNames): Role | undefined {
  if (value === undefined || value === null) return otherwise
  if (typeof value !== 'string' && !Array.isArray(value)) return undefined
  const ranks = [value].flat().map(name => {
    const role = typeof name === 'string' ? (map.get(name) ?? ownRole(name)) : undefined
    return role === undefined ? -1 : RANK.indexOf(role)
  })
  return RANK[ranks.reduce((highest, rank) => Math.max(highest, rank), -1)] ?? otherwise
}

/** A name that stands for the role; undefined if the map gives the role's own name another meaning and has no other name. */
export function nameOfRole(role: Role, { map }: RoleNames): string | undefined {
  if ((map.get(role) ?? role) === role) return role
  return [...map].find(([, mapped]) => mapped === role)?.[0]
}

function ownRole(name: string): Role | undefined {
  return ROLES.find(role => role === name)
}
