/** Reads the environment into a configuration; the schema is in `environment.ts`. */
import type { Static } from 'typebox'
import Value from 'typebox/value'
import { proxyFaults } from '../network/trusted-proxies.js'
import { busFaults } from './bus-settings.js'
import { claimPathFault } from './claim-path.js'
import { Environment } from './environment.js'
import { parseRoleMap } from './role-map.js'
import { type Setting, settingFault, settingText, settingValue } from './setting.js'
import { webhookFaults } from './webhook-settings.js'

export type Config = Readonly<Static<typeof Environment>>

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'))
  }
}

/**
 * Reads and validates the environment. A variable that is empty or contains only spaces counts as unset.
 * @throws {ConfigError} with one line per fault: the variable, the fault, the remedy.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = []
  const config: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries<Setting>(Environment.properties)) {
    const text = settingText(schema, env[name])
    const value = text === undefined ? schema.default : settingValue(schema, text)
    if (value !== undefined) config[name] = value
    else if (text !== undefined) faults.push(settingFault(name, schema, text))
  }
  if (faults.length === 0 && Value.Check(Environment, config)) {
    faults.push(...contradictionsIn(config))
    if (faults.length === 0) return config
  }
  throw new ConfigError(faults)
}

function contradictionsIn(config: Config): string[] {
  const faults: string[] = []
  const keys = [config.JWT_SECRET, config.JWT_PUBLIC_KEY, config.JWKS_URL].filter(key => key !== undefined)
  if (keys.length > 1) {
    faults.push('JWT_SECRET, JWT_PUBLIC_KEY and JWKS_URL exclude each other. Set one of them.')
  }
  const previous = [config.JWT_SECRET_PREVIOUS, config.JWT_PUBLIC_KEY_PREVIOUS].filter(
    key => key !== undefined,
  )
  if (previous.length > 1) {
    faults.push('JWT_SECRET_PREVIOUS and JWT_PUBLIC_KEY_PREVIOUS exclude each other. Set one of them.')
  }
  if (previous.length > 0 && keys.length === 0) {
    faults.push(
      'A previous JWT key is set without the one that replaces it. Set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL too.',
    )
  }
  if (config.ARTIFACTS_DIR !== undefined && config.ARTIFACTS_SECRET === undefined && hasPublicKey(config)) {
    faults.push(
      'ARTIFACTS_DIR needs ARTIFACTS_SECRET here: a public key verifies tokens, but cannot sign links.',
    )
  }
  faults.push(...authorizeFaults(config))
  faults.push(
    ...proxyFaults(config.TRUSTED_PROXIES),
    ...claimFaults(config),
    ...webhookFaults(config),
    ...busFaults(config),
  )
  if (config.NODE_ENV !== 'production') return faults
  if (config.DATABASE_URL === undefined) {
    faults.push('DATABASE_URL is not set. In production set it to your own database: postgres://….')
  }
  if (keys.length === 0) {
    faults.push('No JWT key is set. In production set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL.')
  }
  return faults
}

function authorizeFaults({ AUTHORIZE_URL: address, AUTHORIZE_TOKEN: token }: Config): string[] {
  if (address === undefined)
    return token === undefined ? [] : ['AUTHORIZE_TOKEN needs AUTHORIZE_URL: set it too.']
  if (!URL.canParse(address)) return ['AUTHORIZE_URL is not a URL. It may be secret, so it is not shown.']
  const { username, password } = new URL(address)
  return token !== undefined && (username || password)
    ? ['AUTHORIZE_URL has a user or a password, and AUTHORIZE_TOKEN is set. Use one of them.']
    : []
}

function claimFaults({ JWT_WORKSPACE_CLAIM, JWT_ROLE_CLAIM, JWT_ROLE_MAP = '' }: Config): string[] {
  return [
    claimPathFault('JWT_WORKSPACE_CLAIM', JWT_WORKSPACE_CLAIM) ?? [],
    claimPathFault('JWT_ROLE_CLAIM', JWT_ROLE_CLAIM) ?? [],
    parseRoleMap(JWT_ROLE_MAP).faults,
  ].flat()
}

function hasPublicKey({ JWT_PUBLIC_KEY, JWKS_URL }: Config): boolean {
  return JWT_PUBLIC_KEY !== undefined || JWKS_URL !== undefined
}
