/**
 * What was read, and the feed's head of the same moment: what the head covers is in the answer, what comes after it
 * is not. A client that follows the feed from there misses nothing and sees nothing twice.
 */
import type { PoolClient } from 'pg'
import { FEED } from '../events/event.js'
import { formatEventId } from '../events/event-id.js'
import { ensureStream, findStream, readHead } from '../events/log.js'
import { type Database, inTransaction } from './pool.js'

export interface Snapshot<T> {
  readonly value: T
  /** Event id of the newest event on the workspace's feed; of the place before the first when there is none. */
  readonly head: string
}

export async function readSnapshot<T>(
  database: Database,
  workspace: string,
  read: (client: PoolClient) => Promise<T>,
): Promise<Snapshot<T>> {
  // Before the snapshot is taken: it could not see a stream that is made later.
  const found = await findStream(database, workspace, FEED)
  const feed = found?.id ?? (await ensureStream(database, workspace, FEED))
  const transaction = async (client: PoolClient) => {
    const { position, eventId } = await readHead(client, feed)
    return { value: await read(client), head: formatEventId(position, eventId) }
  }
  return inTransaction(database, transaction, 'repeatable read, read only')
}
