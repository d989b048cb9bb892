/**
 * Presence: which principals follow the streams that have the option `presence`, as events on `presence:NAME`. Each node reports its own
 * principals; the first node publishes how all of them together differ from what was published (migrations/0060_stream_clients.sql).
 *
 * A principal that disconnects has left when no node has had it for 15 s, so a client that reconnects makes no event. Changes are published
 * in batches, so that many clients that come at once neither fill the log nor their readers' connections.
 */
import { databaseFault, levelOfOtherFault } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { Cluster } from './cluster.js'
import { fairShare } from './fair-share.js'
import { type FollowingPrincipal, findDue, notePresence, reportPrincipals } from './presence-rows.js'

const EVERY_MS = 2_000
const GRACE_MS = 15_000
/** Principals that a node reports, over all streams. The clients of further ones are counted, but not announced. */
const MAX_REPORTED = 10_000
/** Events of each kind that a stream gets in one turn. */
const MAX_EVENTS = 250

export interface PresenceOptions {
  readonly database: Database
  readonly logger: Logger
  readonly cluster: Pick<Cluster, 'id' | 'isFirst' | 'presenceStreams' | 'joins'>
  /** The principals of these streams, each once. */
  principals(streams: ReadonlySet<StreamId>): readonly FollowingPrincipal[]
  /** Called after each COMMIT that has appended to these streams. */
  onCommitted(streams: readonly StreamId[]): void
  /** Whether to publish nothing for now, as in maintenance. */
  paused(): boolean
  /** Defaults: 2 s, 15 s. Tests use less. */
  readonly everyMs?: number | undefined
  readonly graceMs?: number | undefined
}

export class Presence {
  readonly #options: PresenceOptions
  readonly #loop: PeriodicLoop
  /** The principals of this process that the database has, by key; undefined if that is unknown. */
  #reported: ReadonlyMap<string, FollowingPrincipal> | undefined
  /** The row of this process that the report belongs to. */
  #joins = 0

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#loop = new PeriodicLoop({
      name: 'Publishing presence',
      everyMs: options.everyMs ?? EVERY_MS,
      logger: options.logger,
      levelOf: levelOfOtherFault,
      turn: () => this.#turn(),
    })
  }

  start(): void {
    this.#loop.start()
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  async #turn(): Promise<void> {
    const { cluster, paused } = this.#options
    const { presenceStreams } = cluster
    // No stream of any workspace has the option.
    if (!presenceStreams && !this.#reported?.size) return
    await this.#report(presenceStreams ?? new Set())
    if (cluster.isFirst && !paused()) await this.#publish()
  }

  async #report(streams: ReadonlySet<StreamId>): Promise<void> {
    const { database, cluster, principals } = this.#options
    const before = cluster.joins === this.#joins ? this.#reported : undefined
    this.#joins = cluster.joins
    const found = streams.size === 0 ? [] : fairShare(principals(streams), MAX_REPORTED)
    const now = new Map(found.map(each => [`${each.stream} ${each.principal}`, each]))
    const left = [...(before ?? [])].filter(([key]) => !now.has(key)).map(([, each]) => each)
    const come = [...now].filter(([key]) => !before?.has(key)).map(([, each]) => each)
    if (before && left.length + come.length === 0) return
    this.#reported = undefined
    await reportPrincipals(database, cluster.id, { anew: before === undefined, left, come })
    this.#reported = now
  }

  async #publish(): Promise<void> {
    const { database, graceMs = GRACE_MS, onCommitted, logger } = this.#options
    for (const stream of await findDue(database, graceMs)) {
      try {
        const grown = await notePresence(database, stream, graceMs, MAX_EVENTS)
        if (grown !== undefined) onCommitted([grown])
      } catch (error) {
        // One workspace whose stream is locked holds up no other.
        if (databaseFault(error)) throw error
        logger.warn(
          { err: error, stream },
          'The presence of a stream could not be published. It is tried again.',
        )
      }
    }
  }
}
