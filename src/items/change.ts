/**
 * A change and its events, in one transaction: both are stored or neither is (I2). The events are appended last,
 * because the first one locks the feed until COMMIT.
 */
import type { Author } from '../auth/principal.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { append } from '../log/append.js'
import type { Committed } from '../log/committed.js'
import { FEED } from '../log/event.js'
import type { BuiltInEvent } from '../log/event-catalogue.js'
import { Problem, SqlState, sqlState, unavailable } from '../problems/problem.js'

/**
 * The attempts of a change that loses against another one (serialization, deadlock) before the caller gets an error.
 */
const ATTEMPTS = 4

/** A change that is not committed yet: its result, and its events in order. */
export interface Change<T> {
  readonly result: T
  readonly events: readonly BuiltInEvent[]
}

/**
 * Resolves after COMMIT, with the events.
 * @param make may be called again after a rollback.
 * @throws {Problem} 409 `stream-closed`; 503 `contention`; and the errors of `make`.
 */
export async function commitChange<T>(
  database: Database,
  author: Author,
  make: (client: WorkspaceClient) => Promise<Change<T>>,
): Promise<{ result: T; committed: readonly Committed[] }> {
  const transaction = async (client: WorkspaceClient) => {
    const { result, events } = await make(client)
    return { result, committed: await appendAll(client, author, events) }
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await inWorkspace(database, author.workspace, transaction)
    } catch (error) {
      if (!isLost(error)) throw error
      if (attempt === ATTEMPTS) {
        throw unavailable('contention', 'Too many others change the same right now. Try again.', 1, error)
      }
    }
  }
}

async function appendAll(
  client: WorkspaceClient,
  { workspace, id, traceparent }: Author,
  events: Change<unknown>['events'],
): Promise<Committed[]> {
  const committed: Committed[] = []
  try {
    for (const { type, data } of events) {
      const text = JSON.stringify(data)
      const { streamId, previous, ...place } = await append(client, workspace, FEED, type, text, id, {
        way: 'item',
        traceparent,
      })
      committed.push({
        streamId,
        way: 'item',
        previous,
        events: [{ ...place, type, data: text, attributes: null, traceparent: traceparent ?? null }],
      })
    }
  } catch (error) {
    throw sqlState(error) === SqlState.streamClosed ? feedClosed() : error
  }
  return committed
}

/** Whether Postgres rolled this transaction back in favour of another one: nothing has been stored. */
function isLost(error: unknown): boolean {
  const state = sqlState(error)
  return state === SqlState.serializationFailure || state === SqlState.deadlockDetected
}

function feedClosed(): Problem {
  const detail = 'The feed of your workspace is closed, and nothing changes there without an event.'
  return new Problem(409, 'stream-closed', detail)
}
