/**
 * Sends wakes by NOTIFY, after the events' COMMIT and on a connection of its own: inside their transaction it
 * would take a lock that all committing transactions of the cluster share. The first wake goes out at once,
 * those that follow within 10 ms go together, one NOTIFY in flight; closing sends what still waits. A wake that cannot
 * be sent is dropped: the others' poll finds the events.
 */
import pg from 'pg'
import { pins } from '../database/session.js'
import type { StreamId } from '../events/event.js'
import { formatWakes, WAKE_CHANNEL } from './wake-text.js'

const COALESCE_MS = 10
const DEADLINE_MS = 2_000
/** A NOTIFY commits a transaction; nobody needs to wait until a hint is on disk. */
const SETTINGS = `${pins('session')}; set synchronous_commit = off`

export class Notifier {
  readonly #pool: pg.Pool
  readonly #sender: string
  readonly #waiting = new Set<StreamId>()
  #busy = false
  #running: Promise<void> | undefined
  #closed = false

  constructor(url: string, sender: string) {
    this.#sender = sender
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
      await this.#pool.query({
        name: 'sluice-notify',
        text: 'select pg_notify($1, payload) from unnest($2::text[]) as payload',
        values: [WAKE_CHANNEL, payloads],
      })
    } catch {
      // A hint: see above.
    }
  }
}
