/** Checks the options of the plugin and derives the settings of each part of the gateway. */
import type { FastifyInstance } from 'fastify'
import type { Authorize } from '../src/auth/grants/decision.js'
import { decisionService } from '../src/auth/grants/decision-service.js'
import { type Key, type Keys, keysOf, previousKeyOf } from '../src/auth/tokens/keys.js'
import type { Bus } from '../src/bus/bus.js'
import { type BusSettings, busSettings } from '../src/bus/open-bus.js'
import { type Config, ConfigError } from '../src/config/config.js'
import { configOf } from '../src/config/options.js'
import { listOf } from '../src/config/webhook-settings.js'
import type { PoolSource } from '../src/database/pool-source.js'
import { READERS } from '../src/hub/log-readers.js'
import { ArtifactLinks } from '../src/jobs/artifacts.js'
import { parseRange } from '../src/network/address-range.js'
import type { NetworkPolicy } from '../src/network/network-policy.js'
import { Sealer } from '../src/webhooks/sealer.js'
import { KEPT_CONNECTIONS } from '../src/webhooks/sending/sender.js'
import type { Parts, SluiceOptions } from './sluice-options.js'

export interface Settings
  extends Pick<
    SluiceOptions,
    | 'authenticate'
    | 'countClients'
    | 'collectMetrics'
    | 'collectRecentMetrics'
    | 'collectClients'
    | 'internals'
  > {
  readonly config: Config
  readonly parts: Required<Parts>
  readonly source: PoolSource
  /** A replica that is read for clients that catch up; undefined: none. */
  readonly readSource: PoolSource | undefined
  /** The application's own bus, or the settings of one. */
  readonly bus: Bus | BusSettings
  /** Undefined with `authenticate`. */
  readonly keys: Keys | undefined
  /** The key that `keys` replaces, while tokens of both are valid. */
  readonly previousKey: Key | undefined
  /** Undefined where no artifacts are served. */
  readonly links: ArtifactLinks | undefined
  /** Undefined where there is no key for the secrets of webhooks. */
  readonly sealer: Sealer | undefined
  /** The secrets that all gateways share, from which keys are derived; the first one signs. */
  readonly sharedSecrets: readonly string[]
  /** Where requests of webhooks may go. */
  readonly policy: NetworkPolicy
  /** Undefined: roles and grants decide alone. */
  readonly decide: Authorize | undefined
  /** Undefined where the form of Durable Streams is not served. */
  readonly durable: DurableSettings | undefined
  readonly ownsServer: boolean
  readonly member: boolean
  readonly processes: number
  readonly drainMs: number
  /** Connections to others that the process may open: to the database, and to the receivers of webhooks. */
  readonly outgoing: number
}

/** The path of Durable Streams below that of the gateway, and how long its live responses last, in milliseconds. */
export interface DurableSettings {
  readonly path: string
  readonly sseMs: number
  readonly waitMs: number
}

/** Connections for the log, the bus and the probes, in addition to DATABASE_POOL. */
const OTHER_DATABASE_CONNECTIONS = 8
/** The part of `pluginTimeout` that is reserved for the rest of the application's close, after the streams have drained. */
const CLOSING_MS = 1_000

/** @throws {ConfigError} with one line per fault. */
export function settingsOf(options: SluiceOptions, host: FastifyInstance): Settings {
  const { bus, pool, authenticate, parts = {}, prefix = '' } = options
  const given = typeof bus === 'object' ? undefined : bus
  const config = configOf({ ...options, bus: given })
  const { DATABASE_URL: url, LISTEN_DATABASE_URL: listenUrl, READ_DATABASE_URL: readUrl } = config
  const faults: string[] = []
  if ((url === undefined) === (pool === undefined)) {
    faults.push('Give exactly one of databaseUrl and pool.')
  }
  const keyed = [config.JWT_SECRET, config.JWT_PUBLIC_KEY, config.JWKS_URL].some(key => key !== undefined)
  if (keyed && authenticate)
    faults.push('authenticate replaces jwtSecret, jwtPublicKey and jwksUrl: leave them out.')
  if (authenticate && config.AUTH_COOKIE !== undefined)
    faults.push('authenticate replaces authCookie: read the cookie there, or leave authCookie out.')
  if (!keyed && !authenticate)
    faults.push('Give authenticate, or one of jwtSecret, jwtPublicKey and jwksUrl.')
  if (prefix !== '' && !/^(\/[A-Za-z0-9._~-]+)+$/.test(prefix)) {
    faults.push(
      `prefix is ${JSON.stringify(prefix)}. Write it as /live: a slash before each part, and none at its end.`,
    )
  }
  if (options.authorize && config.AUTHORIZE_URL !== undefined)
    faults.push('authorize replaces authorizeUrl: leave one of them out.')
  faults.push(...partFaults(parts))
  if (faults.length > 0) throw new ConfigError(faults)

  const keys = authenticate ? undefined : keysOf(config)
  const previousKey = keys && previousKeyOf(config, keys)
  return {
    ...options,
    config,
    keys,
    previousKey,
    sealer: sealerOf(sharedSecrets(config, [keys, previousKey])),
    sharedSecrets: sharedSecrets(config, [keys, previousKey]),
    policy: policyOf(config),
    links: artifactLinks(config, [keys, previousKey], `${host.prefix}${prefix}`),
    decide: decider(options, config),
    parts: partsOf(parts, authenticate === undefined),
    // A separate URL for LISTEN means that the other one goes through a pooler.
    source: pool ? { pool } : { url: url ?? '', pooled: listenUrl !== undefined },
    readSource: readUrl === undefined ? undefined : { url: readUrl, pooled: listenUrl !== undefined },
    bus: typeof bus === 'object' ? bus : busSettings(config, secretsOf([keys, previousKey])),
    durable: durableSettings(config),
    ownsServer: options.ownsServer ?? false,
    member: options.clusterMember ?? true,
    processes: options.processes ?? 1,
    outgoing: outgoing(config),
    drainMs: drainMs(config, host, options.drainMs !== undefined),
  }
}

function durableSettings(config: Config): DurableSettings | undefined {
  const { DURABLE_STREAMS_PREFIX: path, DURABLE_STREAMS_SSE_AGE, DURABLE_STREAMS_WAIT } = config
  if (path === 'off') return undefined
  return { path, sseMs: DURABLE_STREAMS_SSE_AGE * 1_000, waitMs: DURABLE_STREAMS_WAIT * 1_000 }
}

function decider({ authorize }: SluiceOptions, { AUTHORIZE_URL: url, AUTHORIZE_TOKEN: token }: Config) {
  return authorize ?? (url === undefined ? undefined : decisionService(url, token))
}

function partFaults({ jobs = true, ...parts }: Parts): string[] {
  const needing = (['runs', 'executions', 'commands'] as const).filter(part => parts[part])
  return jobs ? [] : needing.map(part => `parts.${part} needs parts.jobs.`)
}

function partsOf({ jobs = true, ...parts }: Parts, own: boolean): Required<Parts> {
  return {
    ...{
      items: true,
      runs: jobs,
      executions: jobs,
      commands: jobs,
      keys: own,
      audit: true,
      docs: true,
      console: own,
    },
    ...parts,
    jobs,
  }
}

/** Links are signed with the first secret, and verified with each. */
function artifactLinks(
  config: Config,
  keys: readonly (Keys | undefined)[],
  prefix: string,
): ArtifactLinks | undefined {
  if (config.ARTIFACTS_DIR === undefined) return undefined
  const [signing, previous] = keys.map(key => (key?.kind === 'secret' ? key.secret : undefined))
  const secret = config.ARTIFACTS_SECRET ?? signing
  if (secret === undefined)
    throw new ConfigError(['artifactsDir needs artifactsSecret here: there is no jwtSecret.'])
  return new ArtifactLinks(secret, prefix, previous)
}

function outgoing({ DATABASE_POOL, READ_DATABASE_URL, WEBHOOKS, WEBHOOK_CONCURRENCY }: Config): number {
  return (
    DATABASE_POOL +
    OTHER_DATABASE_CONNECTIONS +
    (READ_DATABASE_URL === undefined ? 0 : READERS) +
    (WEBHOOKS === 'on' ? WEBHOOK_CONCURRENCY + KEPT_CONNECTIONS : 0)
  )
}

/** All keys open. So the keys of webhooks can be set later, and the secret of tokens can be changed. */
function sealerOf([first, ...others]: readonly string[]): Sealer | undefined {
  return first === undefined ? undefined : new Sealer([first, ...others])
}

function sharedSecrets({ WEBHOOK_SECRET_KEYS }: Config, keys: readonly (Keys | undefined)[]): string[] {
  return [...listOf(WEBHOOK_SECRET_KEYS), ...secretsOf(keys)]
}

/** From which other keys are derived. */
function secretsOf(keys: readonly (Keys | undefined)[]): string[] {
  return keys.flatMap(key => (key?.kind === 'secret' ? [key.secret] : []))
}

function policyOf({ WEBHOOK_ALLOWED_NETWORKS }: Config): NetworkPolicy {
  const allowed = listOf(WEBHOOK_ALLOWED_NETWORKS).flatMap(text => parseRange(text) ?? [])
  return { allowed, httpsOnly: true }
}

/** Keeps the drain below `pluginTimeout`: Fastify aborts a close that takes longer, and the application then fails to close. */
function drainMs({ DRAIN_MS }: Config, { initialConfig, log }: FastifyInstance, asked: boolean): number {
  const { pluginTimeout = 0 } = initialConfig
  const longest = pluginTimeout > 0 ? Math.max(0, pluginTimeout - CLOSING_MS) : DRAIN_MS
  if (asked && DRAIN_MS > longest) {
    const fields = { drainMs: DRAIN_MS, pluginTimeout }
    log.warn(fields, `Streams drain in ${longest} ms at most: raise pluginTimeout, as serverOptions() does.`)
  }
  return Math.min(DRAIN_MS, longest)
}
