/**
 * Publishes one request only if the stream still ends with the event that the publisher expects. The check and the append are one
 * transaction, which holds the lock of the stream; it is not part of a group commit, so it delays and fails no other request.
 */
import { gateOf } from '../database/fair-gate.js'
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import { Problem, SqlState, sqlState } from '../problems/problem.js'
import type { AppendRequest, Outcome } from './append-request.js'
import { appendRequests } from './append-requests.js'

/** @param head an event id with its check; `0`: the stream has never had an event. @throws the database's errors. */
export function appendAfterHead(
  database: Database,
  request: AppendRequest,
  head: string,
): Promise<Outcome | undefined> {
  const attempt = (repeated: boolean) =>
    gateOf(database).run(request.workspace, () =>
      inTransaction(database, async client => {
        // A repeated request gets the stored receipt, whatever the head is now.
        if (!(await isKnown(client, request))) {
          if (repeated) return undefined
          await client.query('select sluice.expect_head($1, $2, $3)', [
            request.workspace,
            request.stream,
            head,
          ])
        }
        return (await appendRequests(client, [request]))[0]
      }),
    )
  return attempt(false).catch(async error => {
    if (sqlState(error) !== SqlState.headDiffers) throw error
    // The same request may have been stored while this one waited for the stream.
    const known = request.idempotency && (await attempt(true))
    if (known) return known
    throw headDiffers(error)
  })
}

async function isKnown(
  client: Queryable,
  { workspace, actor, idempotency }: AppendRequest,
): Promise<boolean> {
  if (!idempotency) return false
  const { rows } = await client.query({
    name: 'sluice-find-receipt',
    text: `
      select 1 from sluice.idempotency_keys
       where workspace = $1 and actor = $2 and key = $3 and event_ids is not null`,
    values: [workspace, actor, idempotency.key],
  })
  return rows.length > 0
}

function headDiffers(cause: unknown): Problem {
  const head = String(Object(cause).detail)
  const detail =
    'The stream has other events than you expect. Nothing was stored. Read the events up to `head`, then decide again.'
  return new Problem(409, 'head-differs', detail, { head }, { cause })
}
