/**
 * The configuration as options of the library: the variables of `environment.ts`, in camelCase and with the types of a program.
 * They are read through the same schema, so an option and its variable cannot differ in default, limits or check.
 */
import { type Config, ConfigError, readConfig } from './config.js'
import { Environment } from './environment.js'
import { parseRoleMap } from './role-map.js'

/** Variables of the process alone: its server, its address, its log and its embedded database. */
export const PROCESS_VARIABLES = [
  'NODE_ENV',
  'HOST',
  'PORT',
  'METRICS_PORT',
  'WORKERS',
  'DRAIN_DELAY_MS',
  'WATCHDOG_MS',
  'STUCK_WORKER_MS',
  'DATA_DIR',
  'PG_BIN',
  'TRUSTED_PROXIES',
  'LOG_LEVEL',
  'ACCESS_LOG',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_TRACES_SAMPLER',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_SDK_DISABLED',
] as const

/** Lists, which are arrays in the options. */
const LISTS = ['CORS_ORIGINS', 'WEBHOOK_SECRET_KEYS', 'WEBHOOK_ALLOWED_NETWORKS'] as const

type Variable = Exclude<keyof Config, (typeof PROCESS_VARIABLES)[number]>

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<CamelCase<Tail>>}`
  : Lowercase<Name>

type Value<Name extends Variable> = Name extends (typeof LISTS)[number]
  ? readonly string[]
  : Name extends 'JWT_ROLE_MAP'
    ? Readonly<Record<string, NonNullable<Config['JWT_DEFAULT_ROLE']>>>
    : Exclude<Config[Name], undefined> extends 'on' | 'off'
      ? boolean
      : Exclude<Config[Name], undefined>

/** `RATE_LIMIT_MAX` is `rateLimitMax`; `on` and `off` are true and false; lists are arrays, and the role map an object. */
export type ConfigOptions = { readonly [Name in Variable as CamelCase<Name>]?: Value<Name> | undefined }

/** `RATE_LIMIT_MAX` → `rateLimitMax`. */
export function optionName(variable: string): string {
  return variable.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/**
 * The configuration that `options` stand for, with the defaults of the others.
 * @throws {ConfigError} with one line per fault, which names the option.
 */
export function configOf(options: ConfigOptions): Config {
  const given: ReadonlyMap<string, unknown> = new Map(Object.entries(options))
  const environment = Object.fromEntries(
    Object.keys(Environment.properties).map(name => [name, textOf(given.get(optionName(name)))]),
  )
  try {
    return readConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(error.faults.map(inOptions))
  }
}

/** The options that stand for a configuration. */
export function optionsOf(config: Config): ConfigOptions {
  const own = Object.entries(config).filter(([name]) => !PROCESS_VARIABLES.some(other => other === name))
  return Object.fromEntries(own.map(([name, value]) => [optionName(name), optionValue(name, value)]))
}

function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function optionValue(name: string, value: unknown): unknown {
  if (LISTS.some(list => list === name)) return String(value).split(',').filter(Boolean)
  if (name === 'JWT_ROLE_MAP') return Object.fromEntries(parseRoleMap(String(value)).roles)
  return value === 'on' || value === 'off' ? value === 'on' : value
}

function inOptions(fault: string): string {
  return fault.replace(/\b[A-Z]+(?:_[A-Z]+)+\b/g, name =>
    Object.hasOwn(Environment.properties, name) ? optionName(name) : name,
  )
}
