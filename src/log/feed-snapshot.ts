/**
 * What was read, and the feed's head of the same moment: what the head covers is in the answer, what comes after it
 * is not. A client that follows the feed from there misses nothing and sees nothing twice.
 */

import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { FEED } from './event.js'
import { formatEventId } from './event-id.js'
import { ensureStream, findStreamAndHead } from './log.js'

export interface Snapshot<T> {
  readonly value: T
  /** Event id of the newest event on the workspace's feed; of the place before the first when there is none. */
  readonly head: string
}

export async function readSnapshot<T>(
  database: Database,
  workspace: string,
  read: (client: WorkspaceClient) => Promise<T>,
): Promise<Snapshot<T>> {
  const transaction = async (client: WorkspaceClient) => {
    const feed = await findStreamAndHead(client, workspace, FEED)
    if (feed === undefined) return undefined
    const { position, eventId } = feed.head
    return { value: await read(client), head: formatEventId(position, eventId) }
  }
  const look = () => inWorkspace(database, workspace, transaction, 'repeatable read, read only')
  const snapshot = await look()
  if (snapshot) return snapshot
  // In a transaction of its own: the snapshot that was taken cannot see a stream that is made later.
  await inWorkspace(database, workspace, client => ensureStream(client, workspace, FEED))
  const second = await look()
  if (second === undefined) throw new Error(`The feed of ${workspace} is gone as soon as it is made.`)
  return second
}
