/**
 * What this process has stored last of each endpoint, by which it notices that a restore or a failover has lost it. Then the row is older
 * than what the process knows: a delivery that it had stored as waiting, or as a dead letter, is not there, and a cursor that moved on from
 * here would pass over it for good. So nothing further is stored under this claim; the endpoint continues from its row under the next one.
 */
import type { ConsumerId, Epoch } from '../../consumers/consumer.js'
import type { Queryable } from '../../database/pool.js'
import type { AttemptRecord } from '../delivery-records.js'
import type { DeliveryBatch } from './delivery-rows.js'

/** Without the texts, which may be long. */
type StoredAttempt = Pick<AttemptRecord, 'webhook' | 'at'> & { readonly id: string }

interface LastRecord {
  readonly epoch: Epoch
  /** The last attempt; undefined once the record is lost: what was noted before that was known is lost too. */
  readonly last: StoredAttempt | undefined
}

export class LastRecords {
  readonly #records = new Map<ConsumerId, LastRecord>()

  /** The endpoints of the batch whose last record is lost. Call it in the transaction of the batch, before anything is stored. */
  async findLost(client: Queryable, { changes }: DeliveryBatch): Promise<ReadonlySet<ConsumerId>> {
    const lost = new Set<ConsumerId>()
    const known: StoredAttempt[] = []
    for (const { id, epoch } of changes) {
      const record = this.#records.get(id)
      if (record?.epoch !== epoch) continue
      if (record.last) known.push(record.last)
      else lost.add(id)
    }
    if (known.length > 0) for (const id of await findMissing(client, known)) lost.add(id)
    return lost
  }

  /** Call it after the COMMIT. @param refused the endpoints whose changes were not stored. */
  note(
    attempts: readonly StoredAttempt[],
    { changes }: DeliveryBatch,
    refused: ReadonlySet<ConsumerId>,
  ): void {
    const last = new Map(attempts.map(({ webhook, id, at }) => [webhook, { webhook, id, at }]))
    for (const { id, epoch } of changes) {
      const attempt = last.get(id)
      if (refused.has(id)) this.#records.set(id, { epoch, last: undefined })
      else if (attempt) this.#records.set(id, { epoch, last: attempt })
    }
  }

  /** The endpoint continues from its row, is no longer held, or is gone. */
  forget(id: ConsumerId): void {
    this.#records.delete(id)
  }
}

/** A sweep may have removed the attempt, and a process that held the endpoint before may have stored an older one since: not both. */
async function findMissing(client: Queryable, known: readonly StoredAttempt[]): Promise<ConsumerId[]> {
  const { rows } = await client.query<{ id: ConsumerId }>({
    name: 'sluice-find-lost-records',
    text: `
      select w.id from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as k (id, attempt, at)
        join sluice.webhooks w on w.id = k.id
       where w.last_attempt_at is distinct from k.at
         and not exists (select from sluice.webhook_attempts a where a.webhook_id = k.id and a.id = k.attempt)`,
    values: [
      known.map(({ webhook }) => webhook),
      known.map(({ id }) => id),
      known.map(({ at }) => at.toISOString()),
    ],
  })
  return rows.map(({ id }) => id)
}
