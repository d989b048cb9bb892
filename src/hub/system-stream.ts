/**
 * A stream of the system's own workspace, which every process follows with its tailer. Its events arrive like any others: in
 * order, without NOTIFY too, and after a restart. If the log has lost some of them, the stream is loaded again at once.
 *
 * not followed ── load ──▶ followed ── restart, deletion, an outage of the log ──▶ not followed
 *
 * A process begins with the stored state, not with the first event that happens to arrive. `load` runs after the head
 * has been read, so a change in between is in the loaded state, or arrives as an event, or both; it is never missed.
 */

import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import { type StoredEvent, type StreamId, SYSTEM_WORKSPACE } from '../log/event.js'
import { ensureStream, type Head, readEvent, readHead } from '../log/log.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { TailedStream } from './tailed-stream.js'
import type { Tailer } from './tailer.js'

const CHECK_MS = 500

export interface SystemStreamOptions {
  readonly database: Database
  readonly tailer: Tailer
  readonly logger: Logger
  readonly name: string
  /** The kind of the stream, which decides how long retention keeps its events. */
  readonly kind: string
  /** Loads the state, at the start and after events were lost. `last` is the newest event, if any. Tried again if it throws. */
  load(last: StoredEvent | undefined): Promise<void> | void
  /** Takes new events, at least one, in order. Must not throw. */
  receive(events: readonly StoredEvent[]): void
}

export class SystemStream {
  readonly #options: SystemStreamOptions
  #stream: TailedStream | undefined
  #following: Promise<void> | undefined
  #outage = false
  /** Whether the failure has been logged: once for each outage, not twice a second. */
  #failing = false
  readonly #checks: PeriodicLoop

  constructor(options: SystemStreamOptions) {
    this.#options = options
    this.#checks = new PeriodicLoop({
      name: `Following the system stream ${options.name}`,
      everyMs: CHECK_MS,
      logger: options.logger,
      turn: () => this.#check(),
    })
  }

  /** Follows the stream from now on. If the database is unreachable, each check tries again. */
  async start(): Promise<void> {
    this.#checks.start()
    await this.#check()
  }

  /** The number of the stream; undefined while it is not followed. */
  get id(): StreamId | undefined {
    return this.#stream?.id
  }

  /** Loads the state again at the next check, for a caller whose own state may differ from the log. */
  loadAnew(): void {
    this.#unfollow()
  }

  close(): void {
    this.#checks.stop()
    this.#unfollow()
  }

  async #check(): Promise<void> {
    const failing = this.#options.tailer.failingSince !== undefined
    // After a failover the log may be another one, without a gap that would show it.
    if (this.#outage && !failing) this.#unfollow()
    this.#outage = failing
    if (!this.#stream) await this.#follow()
  }

  #follow(): Promise<void> {
    this.#following ??= this.#read()
      .then(() => {
        this.#failing = false
      })
      .catch(error => {
        const { logger, name } = this.#options
        if (!this.#failing)
          logger[levelOf(error)](
            { err: error, stream: name },
            'Failed to read a system stream; trying again until it succeeds.',
          )
        this.#failing = true
      })
      .finally(() => {
        this.#following = undefined
      })
    return this.#following
  }

  async #read(): Promise<void> {
    const { database, tailer, name, kind, load } = this.#options
    const id = await ensureStream(database, SYSTEM_WORKSPACE, name, kind)
    const head = await readHead(database, id)
    await load(await readEvent(database, id, head.position))
    this.#stream = this.#followed(id, head)
    tailer.follow(this.#stream)
  }

  #followed(id: StreamId, head: Head): TailedStream {
    const again = () => {
      this.#unfollow()
      void this.#follow()
    }
    const stream = {
      id,
      kind: this.#options.kind,
      head,
      liveClients: 0,
      receive: (events: readonly StoredEvent[]) => {
        const last = events.at(-1)
        if (!last) return
        stream.head = last
        this.#options.receive(events)
      },
      restart: again,
      onDeleted: again,
    }
    return stream
  }

  #unfollow(): void {
    if (this.#stream) this.#options.tailer.unfollow(this.#stream)
    this.#stream = undefined
  }
}
