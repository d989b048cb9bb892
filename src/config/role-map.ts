/**
 * JWT_ROLE_MAP: which role the role names of another system stand for, `owner=admin,member=editor`. A name with a comma needs
 * the other form, a JSON object.
 */
import { clean } from '../logging/redaction.js'
import { Environment } from './environment.js'

const ROLES = Environment.properties.JWT_DEFAULT_ROLE.enum
type Role = (typeof ROLES)[number]
const MAX_ENTRIES = 256
const NAME = /^[^\p{Cc}\p{Cs}]{1,128}$/u
const MAX_SHOWN = 80

export interface RoleMap {
  readonly roles: ReadonlyMap<string, Role>
  /** One line for each wrong entry, with the entry and the remedy. */
  readonly faults: readonly string[]
}

export function parseRoleMap(text: string): RoleMap {
  const roles = new Map<string, Role>()
  const faults: string[] = []
  const entries = entriesOf(text)
  if (entries === undefined)
    return { roles, faults: ['JWT_ROLE_MAP is not a JSON object. Write owner=admin,member=editor.'] }
  if (entries.length > MAX_ENTRIES) {
    return { roles, faults: [`JWT_ROLE_MAP has ${entries.length} entries. Write at most ${MAX_ENTRIES}.`] }
  }
  for (const { entry, name, target } of entries) {
    const role = ROLES.find(one => one === target)
    if (!NAME.test(name)) faults.push(faultOf(entry, 'Write name=role; a name has 1 to 128 characters'))
    else if (role === undefined) faults.push(faultOf(entry, `Write one of ${ROLES.join(', ')} after the =`))
    else if (roles.has(name))
      faults.push(faultOf(entry, 'The name is there twice: remove one of its entries'))
    else roles.set(name, role)
  }
  return { roles, faults }
}

interface Entry {
  readonly entry: string
  readonly name: string
  readonly target: unknown
}

function entriesOf(text: string): Entry[] | undefined {
  if (text.trim().startsWith('{')) return membersOf(text)
  return text
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
    .map(entry => {
      // The last one: a name may contain `=`.
      const at = entry.lastIndexOf('=')
      return { entry, name: entry.slice(0, Math.max(at, 0)).trim(), target: entry.slice(at + 1).trim() }
    })
}

function membersOf(text: string): Entry[] | undefined {
  try {
    const members = Object.entries<unknown>(JSON.parse(text))
    return members.map(([name, target]) => ({ entry: `${name}=${JSON.stringify(target)}`, name, target }))
  } catch {
    return undefined
  }
}

function faultOf(entry: string, remedy: string): string {
  const shown = entry.length > MAX_SHOWN ? `${entry.slice(0, MAX_SHOWN)}…` : entry
  return `JWT_ROLE_MAP: the entry ${clean(JSON.stringify(shown))} is wrong. ${remedy}.`
}
