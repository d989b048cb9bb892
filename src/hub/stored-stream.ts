/** The stream behind a name, as a workspace asks for it: from here on it is read by its number, for all who follow it. */
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { FEED } from '../events/event.js'
import { ensureStream, findStreamAndHead, noteUse, type StreamWithHead } from '../events/log.js'

/**
 * Undefined when there is none. A feed is created by whoever asks first; one that exists is opened without a write, so
 * that a read-only database will do.
 */
export async function openStored(
  database: Database,
  workspace: string,
  name: string,
): Promise<StreamWithHead | undefined> {
  const found = await inWorkspace(database, workspace, async client => {
    const existing = await findStreamAndHead(client, workspace, name)
    if (existing || name !== FEED) return existing
    await ensureStream(client, workspace, name)
    return findStreamAndHead(client, workspace, name)
  })
  // Not waited for: a database that takes no writes removes no streams either.
  if (found?.unused) noteUse(database, [found.id]).catch(() => undefined)
  return found
}
