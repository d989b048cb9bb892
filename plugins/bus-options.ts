/** The options of the plugin about the bus: how processes wake each other. */
import type { Bus } from '../src/bus/bus.js'

export interface SluiceBusOptions {
  /**
   * How processes wake each other: `postgres` (default), `nats`, `redis` (also for Valkey), `memory` (its own process only), or your own
   * bus (`sluice/bus`).
   */
  readonly bus?: 'postgres' | 'nats' | 'redis' | 'memory' | Bus | undefined
  /** False neither sends nor expects NOTIFY: events of other processes arrive by polling, every 500 ms. Default true. */
  readonly busNotify?: boolean | undefined
  /** Servers of one NATS, as `nats://…` or, with TLS, `tls://…`, separated by commas. Required for `bus: 'nats'`. */
  readonly natsUrl?: string | undefined
  /** File with a user's JWT and seed for NATS, as `nsc` writes it. In place of a user in `natsUrl`. */
  readonly natsCredsFile?: string | undefined
  /** Redis or Valkey, as `redis://…` or, with TLS, `rediss://…`. Required for `bus: 'redis'`. */
  readonly redisUrl?: string | undefined
  /** File (PEM) with the authorities of the certificate of NATS or Redis. Default: those that Node knows. */
  readonly busCaFile?: string | undefined
  /** File (PEM) with the certificate that is shown to NATS or Redis. Needs `busKeyFile`. */
  readonly busCertFile?: string | undefined
  /** File (PEM) with its key. */
  readonly busKeyFile?: string | undefined
  /** Whether wakes on NATS or Redis carry the new events, signed, so that other processes need not read them. Default true. */
  readonly busEvents?: boolean | undefined
  /** Signs the messages on NATS or Redis: at least 32 characters, the same in every process. Default: derived from `jwtSecret`. */
  readonly busSecret?: string | undefined
  /** Beginning of the subject or channel. The same value in every process. Default `sluice`. */
  readonly busPrefix?: string | undefined
}
