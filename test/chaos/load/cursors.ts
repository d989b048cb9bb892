/** Where the cursors of consumers, webhooks and subscriptions are, by the tables. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '../../../src/database/pool.js'

const LOOK_MS = 200
const SQL = `
  select id::text, name, cursor_position as position from sluice.consumers where workspace = $1
  union all
  select d.uid::text, d.id, l.acked from sluice.durable_subscriptions d
    join sluice.durable_subscription_streams l on l.uid = d.uid where d.workspace = $1`

export class Cursors {
  readonly #pool: Database
  readonly #workspace: string
  /** By the id of a webhook or subscription, or the name of a consumer. */
  readonly #takers = new Map<string, (position: number) => void>()
  readonly #stopping = new AbortController()

  constructor(pool: Database, workspace: string) {
    this.#pool = pool
    this.#workspace = workspace
  }

  /** @param take is called in the turn in which the answer of a query has come. */
  on(name: string, take: (position: number) => void): void {
    this.#takers.set(name, take)
  }

  stop(): void {
    this.#stopping.abort()
  }

  /** Resolves when it was stopped. A query that fails is repeated. */
  async look(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const answer = await this.#pool
        .query<{ id: string; name: string; position: number }>(SQL, [this.#workspace])
        .catch(() => undefined)
      for (const { id, name, position } of answer?.rows ?? [])
        (this.#takers.get(name) ?? this.#takers.get(id))?.(position)
      await pause(LOOK_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
