/**
 * Configures, closes and deletes streams for the admins of a workspace. A change and its entry in the audit log are one
 * transaction. The database wakes the other processes; the caller looks after its own (`StreamEnds`).
 */
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import type { StreamId } from '../log/event.js'
import { notFound, Problem, SqlState, sqlState, unavailable } from '../problems/problem.js'
import type {
  StreamDocument,
  StreamOptionChanges,
  WorkspaceOptionChanges,
  WorkspaceOptions,
} from './stream-document.js'
import { type CountClients, selectStream } from './stream-list.js'

/** @throws {Problem} 404 `not-found`, 409 `stream-owned`, 503 `stream-busy`. */
export async function configureStream(
  database: Database,
  origin: Origin,
  stream: string,
  changes: StreamOptionChanges,
  clients: CountClients,
): Promise<StreamDocument> {
  const { workspace } = origin
  return administer(database, workspace, async client => {
    if (!(await selectStream(client, workspace, stream, clients))) throw notFound('stream')
    await client.query('select sluice.configure_stream($1, $2, $3)', [
      workspace,
      stream,
      JSON.stringify(changes),
    ])
    await recordAudit(client, { ...origin, action: 'stream.configured', details: { stream, ...changes } })
    const changed = await selectStream(client, workspace, stream, clients)
    if (!changed) throw notFound('stream')
    return changed
  })
}

/** A stream that is closed already stays as it is. @throws {Problem} as `configureStream`. */
export async function closeStream(
  database: Database,
  origin: Origin,
  stream: string,
  clients: CountClients,
): Promise<{ readonly id: StreamId; readonly document: StreamDocument }> {
  const { workspace } = origin
  return administer(database, workspace, async client => {
    const { rows } = await client.query<{ id: StreamId | null }>('select sluice.close_stream($1, $2) as id', [
      workspace,
      stream,
    ])
    const document = await selectStream(client, workspace, stream, clients)
    const id = rows[0]?.id
    if (id == null || !document) throw notFound('stream')
    await recordAudit(client, {
      ...origin,
      action: 'stream.closed',
      details: { stream, head: document.head.id },
    })
    return { id, document }
  })
}

/** @throws {Problem} as `configureStream`. */
export async function deleteStream(database: Database, origin: Origin, stream: string): Promise<StreamId> {
  const { workspace } = origin
  return administer(database, workspace, async client => {
    const before = await selectStream(client, workspace, stream, () => 0)
    const { rows } = await client.query<{ id: StreamId | null }>(
      'select sluice.delete_stream($1, $2) as id',
      [workspace, stream],
    )
    const id = rows[0]?.id
    if (id == null || !before) throw notFound('stream')
    await recordAudit(client, {
      ...origin,
      action: 'stream.deleted',
      details: { stream, events: before.events, head: before.head.id },
    })
    return id
  })
}

export async function configureWorkspace(
  database: Database,
  origin: Origin,
  changes: WorkspaceOptionChanges,
): Promise<WorkspaceOptions> {
  const { workspace } = origin
  return administer(database, workspace, async client => {
    await client.query('select sluice.configure_workspace($1, $2)', [workspace, JSON.stringify(changes)])
    await recordAudit(client, { ...origin, action: 'workspace.configured', details: { ...changes } })
    return selectWorkspaceOptions(client, workspace)
  })
}

export function readWorkspaceOptions(database: Database, workspace: string): Promise<WorkspaceOptions> {
  return inWorkspace(database, workspace, client => selectWorkspaceOptions(client, workspace))
}

async function selectWorkspaceOptions(client: WorkspaceClient, workspace: string): Promise<WorkspaceOptions> {
  const { rows } = await client.query<{ options: Partial<WorkspaceOptions> }>({
    name: 'sluice-select-workspace-options',
    text: 'select options from sluice.workspaces where workspace = $1',
    values: [workspace],
  })
  return { max_age_seconds: null, max_events: null, ...rows[0]?.options }
}

async function administer<T>(
  database: Database,
  workspace: string,
  work: (client: WorkspaceClient) => Promise<T>,
): Promise<T> {
  try {
    return await inWorkspace(database, workspace, work)
  } catch (error) {
    if (sqlState(error) === SqlState.streamOwned) throw owned(error)
    if (sqlState(error) === SqlState.lockNotAvailable) {
      throw unavailable(
        'stream-busy',
        'Another transaction keeps the stream locked. Nothing was changed. Retry.',
        2,
        error,
      )
    }
    throw error
  }
}

function owned(cause: unknown): Problem {
  const detail =
    'This stream belongs to a job, or is the feed, to which items and jobs publish. End the job, or publish to a stream of your own.'
  return new Problem(409, 'stream-owned', detail, {}, { cause })
}
