/**
 * Publishes inside a transaction of the application, by `sluice.publish`: the event commits with the transaction, or not at
 * all (I2). The event gets its place in the stream at COMMIT, so the transaction holds no lock on the stream before that.
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
  /** The author of the event, for the record; no client sees it. */
  readonly actor?: string | undefined
  /** Its trace (W3C Trace Context); an invalid one is ignored. Default: the transaction's setting `sluice.traceparent`. */
  readonly traceparent?: string | undefined
}

/** @throws the database's error, for a reserved type for example. It aborts the transaction. */
export async function publishIn(tx: TransactionClient, event: TransactionalEvent): Promise<void> {
  const { workspace, stream = FEED, type, data, actor = null, traceparent = null } = event
  await tx.query('select sluice.publish($1, $2, $3, $4::pg_catalog.json, $5, $6)', [
    workspace,
    stream,
    type,
    JSON.stringify(data),
    actor,
    traceparent,
  ])
}
