/**
 * A read together with the feed's head at the same moment: the result includes every change up to the head and none after
 * it. A client that follows the feed from the head misses nothing and gets nothing twice.
 */

import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach, type WorkspaceClient } from '../database/workspace.js'
import { notFound } from '../problems/problem.js'
import { FEED } from './event.js'
import { formatEventId } from './event-id.js'
import { ensureStream, findStreamAndHead } from './log.js'

export interface Snapshot<T> {
  readonly value: T
  /** The event id of the newest event on the workspace's feed, or of the place before the first event. */
  readonly head: string
}

/** @throws {Problem} 404 `not-found` if the feed is out of reach. */
export async function readSnapshot<T>(
  database: Database,
  within: Reach,
  read: (client: WorkspaceClient) => Promise<T>,
): Promise<Snapshot<T>> {
  const { workspace, streams } = within
  const transaction = async (client: WorkspaceClient) => {
    const feed = await findStreamAndHead(client, workspace, FEED)
    if (feed === undefined) return undefined
    const { position, eventId } = feed.head
    return { value: await read(client), head: formatEventId(position, eventId) }
  }
  const look = () => inWorkspace(database, within, transaction, 'repeatable read, read only')
  const snapshot = await look()
  if (snapshot) return snapshot
  // Created in another transaction, because the first snapshot cannot see a stream that is created later.
  await inWorkspace(database, workspace, client => ensureStream(client, workspace, FEED))
  const second = await look()
  if (second === undefined && streams) throw notFound('stream')
  if (second === undefined)
    throw new Error(`The feed of ${workspace} was deleted right after it was created.`)
  return second
}
