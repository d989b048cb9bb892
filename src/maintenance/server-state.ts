/**
 * The mode of this process, as clients see it: draining, else maintenance, else degraded, else normal.
 *
 * Maintenance holds for all processes. It is kept where everything is: as events of a stream, `server` in the
 * system's own workspace, which each process follows with its tailer; so it arrives like any event, survives
 * restarts, and shows who switched it and when. Degraded is this process's own: its log cannot be read or its bus does
 * not listen for more than a second, or its database cannot do all of its work (database/watch.ts). Draining is its end.
 */
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Bus } from '../bus/bus.js'
import type { DatabaseWatch } from '../database/database-watch.js'
import { type Database, inTransaction } from '../database/pool.js'
import type { Hub } from '../hub/hub.js'
import type { Mode } from '../hub/mode.js'
import { SystemStream } from '../hub/system-stream.js'
import type { Tailer } from '../hub/tailer.js'
import { append } from '../log/append.js'
import { type StoredEvent, type StreamId, SYSTEM_WORKSPACE } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { unavailable } from '../problems/problem.js'
import { PeriodicLoop } from '../process/periodic-loop.js'

const STREAM = 'server'
/** No retention removes it: the newest event is the state. */
const KIND = 'system'
const CHECK_MS = 500
/** A listener that reconnects at once is nothing to tell anybody. */
const GRACE_MS = 1_000

export interface ServerStateOptions {
  readonly database: Database
  readonly bus: Bus
  readonly tailer: Tailer
  readonly hub: Hub
  readonly watch: Pick<DatabaseWatch, 'impairment'>
  readonly logger: Logger
  onCommitted(streams: readonly StreamId[]): void
}

export class ServerState {
  readonly #options: ServerStateOptions
  readonly #stream: SystemStream
  #maintenance = false
  #draining = false
  #busDownSince: number | undefined
  readonly #checks: PeriodicLoop

  constructor(options: ServerStateOptions) {
    this.#options = options
    this.#checks = new PeriodicLoop({
      name: 'Checking the mode of the process',
      everyMs: CHECK_MS,
      logger: options.logger,
      turn: () => this.#check(),
    })
    const apply = (event: StoredEvent | undefined) => this.#apply(event)
    this.#stream = new SystemStream({
      ...options,
      name: STREAM,
      kind: KIND,
      load: apply,
      receive: events => apply(events.at(-1)),
    })
  }

  get mode(): Mode {
    if (this.#draining) return 'draining'
    if (this.#maintenance) return 'maintenance'
    return this.#degraded() ? 'degraded' : 'normal'
  }

  async start(): Promise<void> {
    this.#checks.start()
    await this.#stream.start()
    this.#check()
  }

  /**
   * Switches maintenance on or off for all processes.
   * @param by who did it, for the record.
   */
  async switchTo(mode: 'normal' | 'maintenance', by: Origin): Promise<void> {
    const data = JSON.stringify({ mode })
    const actor = `${by.workspace}/${by.principal}`
    const event = await inTransaction(this.#options.database, async client => {
      await recordAudit(client, { ...by, action: 'server-state.changed', details: { mode } })
      // Last: it locks the stream until the end of the transaction.
      return append(client, SYSTEM_WORKSPACE, STREAM, 'server.mode', data, actor)
    })
    this.#maintenance = mode === 'maintenance'
    this.#announce()
    this.#options.onCommitted([event.streamId])
  }

  /** @throws {Problem} 503 while nothing may be written. */
  assertWritable(): void {
    if (this.#maintenance) {
      throw unavailable(
        'maintenance',
        'The server is in maintenance: it takes no changes. Try again later.',
        30,
      )
    }
  }

  drain(): void {
    this.#draining = true
    this.#announce()
  }

  close(): void {
    this.#checks.stop()
    this.#stream.close()
  }

  #check(): void {
    if (this.#options.bus.status !== 'down') this.#busDownSince = undefined
    else this.#busDownSince ??= Date.now()
    this.#announce()
  }

  /** @param event the newest of the stream; none where nobody has switched, or where the log has lost that. */
  #apply(event: StoredEvent | undefined): void {
    const { mode } = JSON.parse(event?.data ?? '{}') as { mode?: unknown }
    this.#maintenance = mode === 'maintenance'
    this.#announce()
  }

  #announce(): void {
    this.#options.hub.announce(this.mode)
  }

  #degraded(): boolean {
    if (this.#options.watch.impairment !== undefined) return true
    const troubles = [this.#options.tailer.failingSince, this.#busDownSince]
    return troubles.some(since => since !== undefined && Date.now() - since > GRACE_MS)
  }
}
