/** The bus that the options of an engine describe. */
import type pg from 'pg'
import type { Bus } from '../bus/bus.js'
import { MemoryBus } from '../bus/memory-bus.js'
import { type BusVariables, busSettings, openBus } from '../bus/open-bus.js'
import { PostgresBus } from '../bus/postgres-bus.js'
import type { Logger } from '../logging/logger.js'

/** NATS or Redis. Of its options, `prefix` and `secret` must be those of the gateways. */
export interface EngineBroker {
  /** `nats://…` or `tls://…`, several separated by commas; `redis://…` or `rediss://…`. */
  readonly url: string
  /** BUS_PREFIX. Default `sluice`. */
  readonly prefix?: string
  /** BUS_SECRET. Without it, wakes carry no events. */
  readonly secret?: string
  /** NATS_CREDS_FILE. */
  readonly credsFile?: string
  /** BUS_CA_FILE, BUS_CERT_FILE and BUS_KEY_FILE. */
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

const KINDS: ReadonlyMap<string, 'nats' | 'redis'> = new Map([
  ['nats', 'nats'],
  ['tls', 'nats'],
  ['redis', 'redis'],
  ['rediss', 'redis'],
])

interface EngineBusOptions {
  readonly bus?: Bus | EngineBroker | 'postgres' | 'memory'
  readonly database: string | pg.Pool
  readonly listenDatabaseUrl?: string
  readonly logger: Logger
}

export function busOf({ bus, database, listenDatabaseUrl, logger }: EngineBusOptions, pool: pg.Pool): Bus {
  const url = listenDatabaseUrl ?? (typeof database === 'string' ? database : undefined)
  if (typeof bus === 'object')
    return 'wake' in bus ? bus : openBus(busSettings(variablesOf(bus, url), []), { database: pool, logger })
  if (bus === 'memory' || (bus === undefined && url === undefined)) return new MemoryBus()
  if (url === undefined)
    throw new TypeError('With a pool, the bus needs a connection of its own: give listenDatabaseUrl.')
  return new PostgresBus({ url, logger })
}

function variablesOf(broker: EngineBroker, listenUrl: string | undefined): BusVariables {
  const [scheme = ''] = broker.url.split(':')
  const kind = KINDS.get(scheme)
  if (kind === undefined)
    throw new TypeError(
      'bus.url is no URL of NATS or Redis. Write nats://…, tls://…, redis:// or rediss://….',
    )
  return {
    BUS: kind,
    BUS_NOTIFY: 'on',
    BUS_EVENTS: 'on',
    BUS_PREFIX: broker.prefix ?? 'sluice',
    BUS_SECRET: broker.secret,
    LISTEN_DATABASE_URL: listenUrl,
    [kind === 'nats' ? 'NATS_URL' : 'REDIS_URL']: broker.url,
    NATS_CREDS_FILE: broker.credsFile,
    BUS_CA_FILE: broker.caFile,
    BUS_CERT_FILE: broker.certFile,
    BUS_KEY_FILE: broker.keyFile,
  }
}
