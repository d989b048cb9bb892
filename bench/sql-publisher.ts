/** Publishes numbered events from SQL, and knows when each was sent. */
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import { PADDING } from './server.js'
import { now } from './statistics.js'

export class SqlPublisher {
  /** When the statement of event n was sent, in ns. */
  readonly sent: number[] = []

  /** Publishes the next event. It is committed when the promise resolves. */
  async publish(client: ClientBase): Promise<void> {
    const n = this.sent.length
    this.sent.push(now())
    const data = JSON.stringify({ n, padding: PADDING })
    await client.query(`select sluice.publish('demo', 'feed', 'tick', $1::json)`, [data])
  }

  /** Publishes at random moments, every `everyMs` on average, while `isGoing`. */
  async publishWhile(client: ClientBase, everyMs: number, isGoing: () => boolean): Promise<void> {
    while (isGoing()) {
      await this.publish(client)
      await pause(2 * everyMs * Math.random())
    }
  }
}
