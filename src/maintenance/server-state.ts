/**
 * The mode of this process, as clients see it. The first that applies: draining, maintenance, degraded, normal.
 *
 * Maintenance applies to all processes. It is stored as events of the stream `server` in the system workspace, which each process
 * follows with its tailer. So it arrives like any event, survives restarts, and shows who switched it and when. Degraded
 * applies to this process: for more than a second its log cannot be read or its bus does not listen, or its database cannot
 * serve all requests (database-watch.ts). Draining is the end of the process.
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
/** A kind without retention: the newest event is the state. */
const KIND = 'system'
const CHECK_MS = 500
/** A listener that reconnects within this time does not make the process degraded. */
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
  #stopsAt: number | undefined
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
   * @param by origin of the request, for the audit log.
   */
  async switchTo(mode: 'normal' | 'maintenance', by: Origin): Promise<void> {
    const data = JSON.stringify({ mode })
    const actor = `${by.workspace}/${by.principal}`
    const event = await inTransaction(this.#options.database, async client => {
      await recordAudit(client, { ...by, action: 'server-state.changed', details: { mode } })
      // The append comes last: it locks the stream until the end of the transaction.
      return append(client, SYSTEM_WORKSPACE, STREAM, 'server.mode', data, actor, { way: 'system' })
    })
    this.#maintenance = mode === 'maintenance'
    this.#announce()
    // The mode changes before the tailer reads the event. If the log loses the event in between, the tailer sees no loss.
    this.#stream.loadAnew()
    this.#options.onCommitted([event.streamId])
  }

  /** @throws {Problem} 503 `maintenance` while the server is in maintenance. */
  assertWritable(): void {
    if (this.#maintenance) {
      throw unavailable(
        'maintenance',
        'The server is in maintenance and accepts no changes. Try again later.',
        30,
      )
    }
  }

  /** Milliseconds until the process begins to drain, as announced; undefined if it is not going to stop, or drains. */
  get stopsInMs(): number | undefined {
    return this.#stopsAt === undefined || this.#draining
      ? undefined
      : Math.max(0, this.#stopsAt - performance.now())
  }

  /** The process is going to drain. Only its readiness says so: its mode, and with it the streams, stay as they are. */
  announceStop(inMs: number): void {
    this.#stopsAt = performance.now() + inMs
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

  /** @param event the newest of the stream; undefined if nobody has switched, or if the log has lost the event. */
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
