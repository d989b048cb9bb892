/** Looks up a stream by its name, for one workspace. Afterwards it is read by its number, for all its followers. */
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { FEED, type StreamId } from '../log/event.js'
import { ensureStream, findStreamAndHead, noteUse, type StreamWithHead } from '../log/log.js'

/** The stream as the log has it now; undefined if there is none. */
export function findStored(
  database: Database,
  workspace: string,
  name: string,
): Promise<StreamWithHead | undefined> {
  return inWorkspace(database, workspace, client => findStreamAndHead(client, workspace, name))
}

/**
 * Whether the log no longer has a stream that nobody follows here, or has another one of its name: a stream of this name may
 * have been created after it was deleted. The tailer's next poll notices the deletion, but a reader must not get the old stream
 * until then. The feed is never deleted alone.
 */
export async function isReplaced(
  database: Database,
  workspace: string,
  name: string,
  { id, idle }: { readonly id: StreamId; readonly idle: boolean },
): Promise<boolean> {
  if (!idle || name === FEED) return false
  try {
    return (await findStored(database, workspace, name))?.id !== id
  } catch {
    // Without the database, the process serves its copy.
    return false
  }
}

/**
 * The stream of that name; undefined if there is none. A missing feed is created. An existing stream is opened without a
 * write, so it can be opened on a read-only database too.
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
  // Not awaited: a database that accepts no writes removes no streams either.
  if (found?.unused) noteUse(database, [found.id]).catch(() => undefined)
  return found
}
