/** Looks up a stream by its name, for one workspace. Afterwards it is read by its number, for all its followers. */
import { signalOf } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach } from '../database/workspace.js'
import { FEED } from '../log/event.js'
import { ensureStream, findStreamAndHead, noteUse, type StreamWithHead } from '../log/log.js'
import type { HubStream } from './hub-stream.js'
import type { Presence } from './presence.js'

/** The streams that a reader may read, which the database compares; undefined: all. */
export type GrantedStreams = Reach['streams']

/** The limits of the reader for whom a stream is opened. */
export type ReadersReach = Pick<Reach, 'streams'> & Presence

/** The stream as the log has it now; undefined if there is none. */
export function findStored(
  database: Database,
  within: Reach,
  name: string,
): Promise<StreamWithHead | undefined> {
  return inWorkspace(database, within, client => findStreamAndHead(client, within.workspace, name))
}

/** Whether `standingOf` would not ask the log. */
export function isThere(
  { streams }: Pick<Reach, 'streams'>,
  name: string,
  { idle, deleted }: { readonly idle: boolean; readonly deleted: boolean },
): boolean {
  return !deleted && !streams && (!idle || name === FEED)
}

/**
 * The state in the log of a stream that is open here. `replaced`: no longer this one, and perhaps another one of its name; the
 * tailer's next poll notices the deletion, but a reader must not get the old stream until then. A stream that somebody follows is
 * not looked up, and the feed is never deleted alone. `hidden`: not within the reader's grants, which are looked up every time.
 * `reopened`: it counts as closed here, but the log has lost the closing.
 */
export async function standingOf(
  database: Database,
  within: Reach,
  name: string,
  { id, idle, deleted, closed }: Pick<HubStream, 'id' | 'idle' | 'deleted' | 'closed'>,
): Promise<'there' | 'reopened' | 'replaced' | 'hidden'> {
  if (deleted) return 'replaced'
  if (isThere(within, name, { idle, deleted })) return 'there'
  try {
    const found = await findStored(database, within, name)
    if (found?.id === id) return closed && found.closedAt === null ? 'reopened' : 'there'
    return within.streams && !found ? 'hidden' : 'replaced'
  } catch {
    signalOf(within.gone)?.throwIfAborted()
    // Without the database, the process serves its copy, and the gateway's own check of the grants alone decides.
    return 'there'
  }
}

/**
 * The stream of that name; undefined if there is none. A missing feed is created. An existing stream is opened without a
 * write, so it can be opened on a read-only database too.
 */
export async function openStored(
  database: Database,
  within: Reach,
  name: string,
): Promise<StreamWithHead | undefined> {
  let found = await findStored(database, within, name)
  if (!found && name === FEED) {
    const { workspace } = within
    await inWorkspace(database, workspace, client => ensureStream(client, workspace, name))
    found = await findStored(database, within, name)
  }
  // Not awaited: a database that accepts no writes removes no streams either.
  if (found?.unused) noteUse(database, [found.id]).catch(() => undefined)
  return found
}
