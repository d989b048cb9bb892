/** `sluice key import`: checks each entry of the file, stores it, and writes what happened to it in one line. */
import type { Origin } from '../../src/audit/audit.js'
import { MAX_RANGES } from '../../src/auth/api-keys/api-key.js'
import { importKey, type KeyToImport } from '../../src/auth/api-keys/api-key-administration.js'
import { isImportablePrefix, PREFIX_RULE } from '../../src/auth/api-keys/imported-key.js'
import { GRANTS_RULE, readGrants } from '../../src/auth/grants/grants.js'
import { ROLES } from '../../src/auth/principal.js'
import { type RoleNames, roleNamed } from '../../src/auth/role-names.js'
import type { Database } from '../../src/database/pool.js'
import { clean } from '../../src/logging/redaction.js'
import { formatRange, parseRange } from '../../src/network/address-range.js'
import { Problem } from '../../src/problems/problem.js'
import { keyHash } from './key-hash.js'
import type { FileEntry } from './key-import-file.js'
import { NAME, timeOf } from './key-options.js'

const FIELDS = ['prefix', 'sha256', 'role', 'name', 'expires_at', 'allowed_ips', 'grants']

/** @returns whether every entry is stored, now or earlier. */
export async function importKeys(
  database: Database,
  origin: Origin,
  entries: readonly FileEntry[],
  roles: RoleNames,
): Promise<boolean> {
  const counts = { imported: 0, present: 0, refused: 0 }
  const places = new Map<string, string>()
  for (const { place, value } of entries) {
    const key = keyOf(value, roles)
    const { kind, text } =
      typeof key === 'string'
        ? refused(key)
        : (duplicateOf(key, place, places) ?? (await outcomeOf(database, origin, key)))
    counts[kind] += 1
    process.stdout.write(`${clean(`${place}${prefixOf(key)}: ${text}`)}\n`)
  }
  const { imported, present, refused: wrong } = counts
  process.stderr.write(`${imported} imported, ${present} already there, ${wrong} refused.\n`)
  return wrong === 0
}

/** The key that an entry stands for, or the fault. */
export function keyOf(value: unknown, roles: RoleNames): KeyToImport | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'this is not a JSON object'
  const entry = new Map<string, unknown>(Object.entries(value))
  if (entry.has('salt'))
    return 'it has a salt. Only the unsalted SHA-256 of the whole key can be imported: issue a new key'
  const other = [...entry.keys()].find(name => !FIELDS.includes(name))
  if (other !== undefined) return `${JSON.stringify(other)} is not one of ${FIELDS.join(', ')}`
  const prefix = entry.get('prefix')
  if (typeof prefix !== 'string' || !isImportablePrefix(prefix)) return `prefix must have ${PREFIX_RULE}`
  const secretHash = keyHash(entry.get('sha256'), prefix)
  if (typeof secretHash === 'string') return secretHash
  const role = roleNamed(entry.get('role'), roles)
  if (role === undefined) return `role must be one of ${ROLES.join(', ')}, or a name in JWT_ROLE_MAP`
  const name = entry.get('name') ?? `imported ${prefix}`
  if (typeof name !== 'string' || !NAME.test(name)) return 'name must have 1 to 128 characters on one line'
  const expiresAt = endOf(entry.get('expires_at'))
  if (typeof expiresAt === 'string') return expiresAt
  const allowedIps = rangesOf(entry.get('allowed_ips'))
  if (typeof allowedIps === 'string') return allowedIps
  const given = entry.get('grants') ?? undefined
  const grants = given === undefined ? undefined : readGrants(given)
  if (given !== undefined && !grants) return `grants must be ${GRANTS_RULE}`
  return { prefix, secretHash, role, name, expiresAt, allowedIps, ...(grants && { grants }) }
}

function endOf(given: unknown): Date | null | string {
  if (given === undefined || given === null) return null
  const time = typeof given === 'string' ? timeOf(given) : Number.NaN
  if (Number.isNaN(time)) return 'expires_at must be a time such as 2027-01-31 or 2027-01-31T12:00:00Z'
  return time > Date.now() ? new Date(time) : 'expires_at is over. Leave the key out'
}

function rangesOf(given: unknown): string[] | null | string {
  if (given === undefined || given === null) return null
  const ranges = Array.isArray(given)
    ? given.map(range => (typeof range === 'string' ? parseRange(range) : undefined))
    : []
  const known = ranges.flatMap(range => (range ? formatRange(range) : []))
  const valid = ranges.length > 0 && ranges.length <= MAX_RANGES && known.length === ranges.length
  return valid ? known : `allowed_ips must be an array of 1 to ${MAX_RANGES} IP addresses and CIDR ranges`
}

interface Outcome {
  readonly kind: 'imported' | 'present' | 'refused'
  readonly text: string
}

async function outcomeOf(database: Database, origin: Origin, wanted: KeyToImport): Promise<Outcome> {
  try {
    const { isNew, key } = await importKey(database, origin, wanted)
    if (isNew) return { kind: 'imported', text: `imported as ${key.id}, role ${key.role}` }
    if (key.workspace !== origin.workspace) return refused(`it is a key of workspace ${key.workspace}`)
    const state = key.revoked_at === null ? '' : ', and revoked since'
    if (key.role === wanted.role && key.prefix === wanted.prefix) {
      return { kind: 'present', text: `imported before as ${key.id}, role ${key.role}${state}` }
    }
    return refused(
      `it was imported before as ${key.id}, with the prefix ${key.prefix} and the role ${key.role}${state}`,
    )
  } catch (error) {
    if (error instanceof Problem) return refused(error.detail)
    throw error
  }
}

function duplicateOf(
  { secretHash }: KeyToImport,
  place: string,
  places: Map<string, string>,
): Outcome | undefined {
  const hash = secretHash.toString('hex')
  const first = places.get(hash)
  if (first === undefined) places.set(hash, place)
  return first === undefined ? undefined : refused(`it is the same key as in ${first}`)
}

function refused(reason: string): Outcome {
  return { kind: 'refused', text: `refused: ${reason.replace(/\.$/, '')}.` }
}

function prefixOf(key: KeyToImport | string): string {
  return typeof key === 'string' ? '' : ` ${key.prefix}`
}
