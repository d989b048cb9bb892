/**
 * Publishes inside a transaction of the application, by `sluice.publish`: the event commits with it, or not at all (I2). It
 * gets its place in the stream at COMMIT, so the transaction holds no lock while it works.
 */
import { FEED } from './event.js'

/** A client of `pg` that is inside a transaction, or another library's with the same `query`. */
export interface TransactionClient {
  query(text: string, values: unknown[]): PromiseLike<unknown>
}

export interface TransactionalEvent {
  readonly workspace: string
  /** Default: the feed of the workspace. */
  readonly stream?: string | undefined
  readonly type: string
  /** A JSON object of at most 256 KiB. */
  readonly data: object
  /** Who caused it, for the record; shown to no client. */
  readonly actor?: string | undefined
}

/** @throws what the database throws, such as for a type that is reserved: the transaction is aborted then. */
export async function publishIn(tx: TransactionClient, event: TransactionalEvent): Promise<void> {
  const { workspace, stream = FEED, type, data, actor = null } = event
  await tx.query('select sluice.publish($1, $2, $3, $4::pg_catalog.json, $5)', [
    workspace,
    stream,
    type,
    JSON.stringify(data),
    actor,
  ])
}
