/**
 * Sends wakes by NOTIFY, after the COMMIT of the events and on a connection of its own: inside their transaction it would
 * take a lock that all committing transactions of the cluster share. The first wake is sent at once, those that follow within
 * 10 ms are sent together, and one NOTIFY is in flight at a time; closing sends the wakes that still wait. A wake that cannot
 * be sent is dropped, because the polls of the other processes find the events.
 *
 * A session that listens and idles in a transaction keeps Postgres' notification queue from being emptied. When the queue is
 * full, every NOTIFY in the cluster fails, those of other applications too. So no wake is sent while more than half of the
 * queue is in use. Each wake, and a timer, reads how much is in use: only that read makes Postgres notice that such a session
 * has ended.
 */
import pg from 'pg'
import { pins } from '../database/session.js'
import type { StreamId } from '../log/event.js'
import { formatWakes, WAKE_CHANNEL } from './wake-text.js'

const COALESCE_MS = 10
const DEADLINE_MS = 2_000
/** A NOTIFY commits a transaction, and a hint need not be on disk before the commit returns. */
const SETTINGS = `${pins('session')}; set synchronous_commit = off`
/** Share of the queue in use above which no wake is sent; sluice.wake has the same limit (migrations/0007_publish.sql). */
const CROWDED = 0.5

export interface NotifierOptions {
  readonly url: string
  readonly sender: string
  /** Called when the queue becomes too full for wakes, and when it has room again. `use`: 0 to 1. */
  onCrowded(crowded: boolean, use: number): void
}

export class Notifier {
  readonly #pool: pg.Pool
  readonly #sender: string
  readonly #onCrowded: (crowded: boolean, use: number) => void
  readonly #waiting = new Set<StreamId>()
  #busy = false
  #running: Promise<void> | undefined
  #closed = false
  #queueUse: number | undefined
  #losses = 0

  constructor({ url, sender, onCrowded }: NotifierOptions) {
    this.#sender = sender
    this.#onCrowded = onCrowded
    this.#pool = new pg.Pool({
      connectionString: url,
      application_name: 'sluice notify',
      max: 1,
      keepAlive: true,
      connectionTimeoutMillis: DEADLINE_MS,
      query_timeout: DEADLINE_MS,
      onConnect: (client: pg.ClientBase) => client.query(SETTINGS).then(() => undefined),
    })
    this.#pool.on('error', () => {})
  }

  wake(streams: readonly StreamId[]): void {
    if (this.#closed) return
    for (const stream of streams) this.#waiting.add(stream)
    if (!this.#busy) this.#running = this.#run()
  }

  /** How much of the notification queue was in use when it was last read, 0 to 1; undefined before the first read. */
  get queueUse(): number | undefined {
    return this.#queueUse
  }

  /** How many times wakes were sent and not answered, so that nobody knows whether they arrived. */
  get losses(): number {
    return this.#losses
  }

  /** Whether wakes are dropped because the queue is too full. */
  get crowded(): boolean {
    return this.#queueUse !== undefined && this.#queueUse > CROWDED
  }

  /** Reads how full the queue is, which also lets Postgres empty it. Never rejects. */
  async look(): Promise<void> {
    if (!this.#closed && !this.#busy) await this.#send([])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#running
    await this.#pool.end()
  }

  async #run(): Promise<void> {
    this.#busy = true
    while (this.#waiting.size > 0) {
      const payloads = formatWakes(this.#sender, this.#waiting)
      this.#waiting.clear()
      const pause = new Promise(resolve => setTimeout(resolve, COALESCE_MS))
      await this.#send(payloads)
      await pause
    }
    this.#busy = false
  }

  async #send(payloads: string[]): Promise<void> {
    try {
      const { rows } = await this.#pool.query<{ use: number }>({
        name: 'sluice-notify',
        text: `
          with queue as materialized (select pg_notification_queue_usage() as use)
          select queue.use,
                 (select count(pg_notify($1, payload)) from unnest($2::text[]) as payload where queue.use <= $3) as sent
            from queue`,
        values: [WAKE_CHANNEL, payloads, CROWDED],
      })
      if (rows[0]) this.#measured(rows[0].use)
    } catch {
      // A wake is only a hint (see the top of this file).
      if (payloads.length > 0) this.#losses += 1
    }
  }

  #measured(use: number): void {
    const was = this.crowded
    this.#queueUse = use
    if (was !== this.crowded) this.#onCrowded(this.crowded, use)
  }
}
