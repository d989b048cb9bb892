/** The bus that the settings describe. */
import { databaseIdentity } from '../database/database-identity.js'
import type { Database } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import type { Broker } from './broker.js'
import { BrokerBus } from './broker-bus.js'
import type { Bus } from './bus.js'
import { MemoryBus } from './memory-bus.js'
import { NatsBroker } from './nats-broker.js'
import { PostgresBus } from './postgres-bus.js'
import { RedisBroker } from './redis-broker.js'

export interface BrokerSettings {
  readonly broker: Broker
  /** Beginning of the channel, before the identity of the database. */
  readonly prefix: string
}

/** The variables that describe a bus. */
export interface BusVariables {
  readonly BUS: 'postgres' | 'nats' | 'redis' | 'memory'
  readonly BUS_NOTIFY: 'on' | 'off'
  readonly BUS_PREFIX: string
  readonly LISTEN_DATABASE_URL?: string | undefined
  readonly DATABASE_URL?: string | undefined
  readonly NATS_URL?: string | undefined
  readonly NATS_CREDS_FILE?: string | undefined
  readonly REDIS_URL?: string | undefined
  readonly BUS_CA_FILE?: string | undefined
  readonly BUS_CERT_FILE?: string | undefined
  readonly BUS_KEY_FILE?: string | undefined
}

/** A URL: of a direct connection for LISTEN and NOTIFY. Undefined: no wakes; this process polls for events of others. */
export type BusSettings = { readonly url: string } | BrokerSettings | undefined

export function busSettings(variables: BusVariables): BusSettings {
  const { BUS, BUS_NOTIFY, BUS_PREFIX: prefix, NATS_URL, REDIS_URL } = variables
  const { BUS_CA_FILE: caFile, BUS_CERT_FILE: certFile, BUS_KEY_FILE: keyFile } = variables
  const files = { caFile, certFile, keyFile }
  const url = variables.LISTEN_DATABASE_URL ?? variables.DATABASE_URL
  if (BUS === 'nats' && NATS_URL !== undefined)
    return {
      broker: new NatsBroker({ ...files, url: NATS_URL, credsFile: variables.NATS_CREDS_FILE }),
      prefix,
    }
  if (BUS === 'redis' && REDIS_URL !== undefined)
    return { broker: new RedisBroker({ ...files, url: REDIS_URL }), prefix }
  return BUS === 'memory' || BUS_NOTIFY === 'off' || url === undefined ? undefined : { url }
}

export function openBus(
  settings: BusSettings,
  { database, logger }: { readonly database: Database; readonly logger: Logger },
): Bus {
  if (settings === undefined) return new MemoryBus()
  if ('url' in settings) return new PostgresBus({ url: settings.url, logger })
  const { broker, prefix } = settings
  const channel = async () => `${prefix}.${(await databaseIdentity(database)).cluster}`
  return new BrokerBus({ broker, channel, logger })
}
