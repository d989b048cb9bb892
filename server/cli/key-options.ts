/** The options of `sluice key`, each validated as in the gateway, with messages for a command line. */
import { MAX_OVERLAP_SECONDS, MAX_RANGES } from '../../src/auth/api-keys/api-key.js'
import { KEY_ID_PATTERN } from '../../src/auth/api-keys/api-key-secret.js'
import { GRANTS_RULE, type GrantsDocument, readGrants } from '../../src/auth/grants/grants.js'
import { ROLES, type Role } from '../../src/auth/principal.js'
import { WORKSPACE_PATTERN } from '../../src/log/event.js'
import { parseRange } from '../../src/network/address-range.js'
import { UsageError } from '../../src/process/usage.js'

export const NAME = /^[^\p{Cc}\p{Cs}]{1,128}$/u
const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/
const SPAN = /^(\d{1,5})(d|h|m)$/
const SPAN_MS = { d: 86_400_000, h: 3_600_000, m: 60_000 } as const

/** The message does not repeat the given value, which may be a whole key. */
export function idOf([given = '']: readonly string[]): string {
  if (new RegExp(KEY_ID_PATTERN).test(given)) return given
  throw new UsageError(
    'ID must be the id of a key: the part between its underscores. `sluice key list` shows it.',
  )
}

export function workspaceOf(workspace = ''): string {
  if (new RegExp(WORKSPACE_PATTERN).test(workspace)) return workspace
  throw new UsageError('--workspace is required: 1 to 128 letters, digits and . _ : @ -')
}

export function roleOf(given = ''): Role {
  const role = ROLES.find(one => one === given)
  if (role !== undefined) return role
  throw new UsageError(`--role must be one of ${ROLES.join(', ')}.`)
}

export function nameOf(name = ''): string {
  if (NAME.test(name)) return name
  throw new UsageError('--name is required: 1 to 128 characters on one line.')
}

/** In milliseconds since 1970; NaN for a text that is no time. */
export function timeOf(given: string): number {
  return Date.parse(DATE.test(given) ? given : '')
}

/** A time, or a duration from now. */
export function endOf(given: string): string {
  const [, count, unit = ''] = SPAN.exec(given) ?? []
  const span = unit === 'd' || unit === 'h' || unit === 'm' ? SPAN_MS[unit] : 0
  const time = count === undefined ? timeOf(given) : Date.now() + Number(count) * span
  if (time > Date.now()) return new Date(time).toISOString()
  throw new UsageError(
    '--expires must be a time in the future, such as 2027-01-31, or a duration such as 90d.',
  )
}

export function rangesOf(given: readonly string[]): string[] {
  const ranges = given.flatMap(list => list.split(','))
  for (const range of ranges) {
    if (parseRange(range)) continue
    const example = 'Write 203.0.113.7 or 203.0.113.0/24, without bits after the prefix.'
    throw new UsageError(`--allow-ip: ${JSON.stringify(range)} is not an IP address or range. ${example}`)
  }
  if (ranges.length > MAX_RANGES) throw new UsageError(`--allow-ip: at most ${MAX_RANGES} ranges.`)
  return ranges
}

/** Null: the key has all that its role allows. */
export function grantsOf(given: string): GrantsDocument | null {
  if (given === 'none') return null
  try {
    const grants = readGrants(JSON.parse(given))
    if (grants) return grants.document
  } catch {}
  throw new UsageError(`--grants must be ${GRANTS_RULE.replaceAll('`', '')}; or none, for no limits.`)
}

export function secondsOf(given: string): number {
  const seconds = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (seconds <= MAX_OVERLAP_SECONDS) return seconds
  throw new UsageError(`--overlap must be a whole number of seconds, 0 to ${MAX_OVERLAP_SECONDS}.`)
}
