/** The parts and settings of a process's deliverer. */
import type { Database } from '../../database/pool.js'
import type { Hub } from '../../hub/hub.js'
import type { Logger } from '../../logging/logger.js'
import type { Clock } from './clock.js'
import type { DeliveryRows } from './delivery-rows.js'
import type { Sender } from './sender.js'

export interface DelivererOptions {
  /** The id of this process: a UUID. */
  readonly node: string
  readonly rows: DeliveryRows
  readonly hub: Pick<Hub, 'open' | 'starts'>
  /** Connections that only read the log. */
  readonly readers: Database
  readonly sender: Sender
  readonly logger: Logger
  /** Requests under way at once in this process. */
  readonly concurrency: number
  /** Requests under way at once to one origin. Default 64. */
  readonly perOrigin?: number | undefined
  /** The pauses of the retry schedule, in milliseconds. Default: from 5 s to 24 h. */
  readonly pausesMs?: readonly number[] | undefined
  /** Default Math.random. */
  readonly random?: (() => number) | undefined
  /** Default: the system's. */
  readonly clock?: Clock | undefined
  /** Default 10 s. */
  readonly leaseMs?: number | undefined
  /** Time between two turns. Default 1 s. */
  readonly everyMs?: number | undefined
  /** Whether to begin no deliveries now, as in maintenance. Leases are kept. */
  paused(): boolean
}
