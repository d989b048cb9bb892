/**
 * A stream of the system's own workspace, which every process follows with the tailer that it has anyway: so what is
 * said on it arrives like any event, in order, with NOTIFY off too, and survives restarts. Where the log has lost what was
 * said, the stream is loaded anew at once.
 *
 * not followed ── load ──▶ followed ── restart, deleted, an outage of the log ──▶ not followed
 *
 * Whoever follows begins from what is stored, not from an event that it happens to get: `load` runs after the head has
 * been read, so what changes meanwhile is in what it loads, or comes as an event, or both; never neither.
 */

import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import { type StoredEvent, type StreamId, SYSTEM_WORKSPACE } from '../log/event.js'
import { ensureStream, type Head, readEvent, readHead } from '../log/log.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { TailedStream, Tailer } from './tailer.js'

const CHECK_MS = 500

export interface SystemStreamOptions {
  readonly database: Database
  readonly tailer: Tailer
  readonly logger: Logger
  readonly name: string
  /** What retention goes by. */
  readonly kind: string
  /** Begins anew, also after events were lost. `last` is the newest event, if there is one. What it throws is tried again. */
  load(last: StoredEvent | undefined): Promise<void> | void
  /** New events, at least one, in order. Must not throw. */
  receive(events: readonly StoredEvent[]): void
}

export class SystemStream {
  readonly #options: SystemStreamOptions
  #stream: TailedStream | undefined
  #following: Promise<void> | undefined
  #outage = false
  /** One line of the log for as long as it lasts, not two a second. */
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

  /** Follows the stream from now on; a database that is away is tried again, with every check. */
  async start(): Promise<void> {
    this.#checks.start()
    await this.#check()
  }

  /** Its number, once it is followed. */
  get id(): StreamId | undefined {
    return this.#stream?.id
  }

  /** With the next check: for whoever could not take what it received. */
  loadAnew(): void {
    this.#unfollow()
  }

  close(): void {
    this.#checks.stop()
    this.#unfollow()
  }

  async #check(): Promise<void> {
    const failing = this.#options.tailer.failingSince !== undefined
    // Behind a failover the log may be another one, and no gap in it to tell.
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
            'A stream of the system cannot be read; trying again until it can.',
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
      head,
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
