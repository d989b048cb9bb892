/** The bus that the settings describe. */
import { databaseClockAhead } from '../database/database-clock.js'
import { databaseIdentity } from '../database/database-identity.js'
import type { Database } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import type { Broker } from './broker.js'
import { BrokerBus } from './broker-bus.js'
import type { Bus } from './bus.js'
import { MemoryBus } from './memory-bus.js'
import { MessageKey } from './message-key.js'
import { NatsBroker } from './nats-broker.js'
import { PostgresBus } from './postgres-bus.js'
import { RedisBroker } from './redis-broker.js'

const KEYLESS =
  'Wakes carry no events: every gateway reads them from the log. Set BUS_SECRET on every gateway, and leave BUS_EVENTS on, to save these reads.'

export interface BrokerSettings {
  readonly broker: Broker
  /** Beginning of the channel, before the identity of the database. */
  readonly prefix: string
  /** Undefined: messages carry no events. */
  readonly key: MessageKey | undefined
  /** A direct connection for LISTEN, by which one process learns of the events of SQL publishers. Undefined: this process is not the one. */
  readonly url: string | undefined
}

/** The variables that describe a bus. */
export interface BusVariables {
  readonly BUS: 'postgres' | 'nats' | 'redis' | 'memory'
  readonly BUS_NOTIFY: 'on' | 'off'
  readonly BUS_PREFIX: string
  readonly BUS_EVENTS: 'on' | 'off'
  readonly BUS_SECRET?: string | undefined
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

/** @param derived secrets from which the key of messages is derived if it has no secret of its own: the first one signs. */
export function busSettings(variables: BusVariables, derived: readonly string[]): BusSettings {
  const { BUS, BUS_NOTIFY, BUS_PREFIX: prefix, NATS_URL, REDIS_URL } = variables
  const key = keyOf(variables, derived)
  const { BUS_CA_FILE: caFile, BUS_CERT_FILE: certFile, BUS_KEY_FILE: keyFile } = variables
  const files = { caFile, certFile, keyFile }
  const url = BUS_NOTIFY === 'off' ? undefined : (variables.LISTEN_DATABASE_URL ?? variables.DATABASE_URL)
  if (BUS === 'nats' && NATS_URL !== undefined)
    return {
      broker: new NatsBroker({ ...files, url: NATS_URL, credsFile: variables.NATS_CREDS_FILE }),
      prefix,
      key,
      url,
    }
  if (BUS === 'redis' && REDIS_URL !== undefined)
    return { broker: new RedisBroker({ ...files, url: REDIS_URL }), prefix, key, url }
  return BUS === 'memory' || url === undefined ? undefined : { url }
}

export function openBus(
  settings: BusSettings,
  { database, logger }: { readonly database: Database; readonly logger: Logger },
): Bus {
  if (settings === undefined) return new MemoryBus()
  if (!('broker' in settings)) return new PostgresBus({ url: settings.url, logger })
  const { broker, prefix, key, url } = settings
  if (!key) logger.info({ bus: broker.kind }, KEYLESS)
  const place = async () => {
    const { cluster, timeline } = await databaseIdentity(database)
    const clockAheadMs = await databaseClockAhead(database)
    return { channel: `${prefix}.${cluster}`, history: `${cluster}.${timeline}`, clockAheadMs }
  }
  const relay = url === undefined ? undefined : { database, url, name: `relay ${broker.kind} ${prefix}` }
  return new BrokerBus({ broker, key, place, logger, relay })
}

function keyOf({ BUS_EVENTS, BUS_SECRET }: BusVariables, derived: readonly string[]): MessageKey | undefined {
  const [first, ...others] = BUS_SECRET === undefined ? derived : [BUS_SECRET]
  return BUS_EVENTS === 'off' || first === undefined ? undefined : new MessageKey([first, ...others])
}
