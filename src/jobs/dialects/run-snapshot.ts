/**
 * The first message for clients of a run: the job, and the content of its stream so far. All of it is taken at one
 * position, so that the snapshot and the later events together are exact: the job's state was read together with the
 * position, and the log up to there no longer changes.
 */
import type { Database } from '../../database/pool.js'
import { inWorkspace } from '../../database/workspace.js'
import { cursorId } from '../../hub/cursor.js'
import type { Opening } from '../../hub/start.js'
import type { Position, StoredEvent, StreamId } from '../../log/event.js'
import { checkOf } from '../../log/event-id.js'
import { readNewest } from '../../log/newest.js'
import { isArtifactPath } from '../artifacts.js'
import type { Job } from '../job.js'
import type { JobSnapshot } from '../jobs.js'
import { runSnapshot } from './runs.js'

/** Types of output lines: the executor's own lines, or those of a command. */
const LOG_TYPES = ['log', 'output']
const MAX_LOGS = 5_000
const MAX_LOG_BYTES = 1024 * 1024
const MAX_OTHERS = 1_000
const MAX_OTHER_BYTES = 256 * 1024

export interface RunSources {
  readonly database: Database
  readonly workspace: string
  /** The link to an artifact; undefined if artifacts are not served, and then none are listed. */
  readonly link: ((path: string) => string) | undefined
}

/** The snapshot, and the position after which the stream continues. */
export async function openRun(sources: RunSources, { job, stream, head }: JobSnapshot): Promise<Opening> {
  const run = await readRun(sources, job, stream, head.position)
  if (job.ended_at === null) {
    const id = cursorId(head)
    return {
      frames: [runSnapshot(run, id)],
      from: { at: 'after', id: { ...head, check: checkOf(head.eventId) } },
    }
  }
  // The stream itself sends the last event: it becomes `done`, and with its id the client has everything.
  const before = { position: (head.position - 1) as Position, check: undefined }
  return { frames: [runSnapshot(run, undefined)], from: { at: 'after', id: before } }
}

/**
 * @param upTo the position at which `job` was read.
 * @returns JSON text; the entries of `logs` and `results` are the data of the events, as stored.
 */
async function readRun(
  { database, workspace, link }: RunSources,
  job: Job,
  stream: StreamId,
  upTo: Position,
): Promise<string> {
  const { logs, results, artifacts } = await inWorkspace(database, workspace, async client => {
    const newest = (types: readonly string[], limit: number, maxBytes: number) =>
      readNewest(client, stream, types, upTo, limit, maxBytes)
    return {
      logs: await newest(LOG_TYPES, MAX_LOGS, MAX_LOG_BYTES),
      results: await newest(['result'], MAX_OTHERS, MAX_OTHER_BYTES),
      artifacts: link
        ? artifactsIn((await newest(['artifact'], MAX_OTHERS, MAX_OTHER_BYTES)).events, link)
        : [],
    }
  })

  const state = {
    id: job.id,
    status: job.status,
    title: job.title,
    kind: job.kind,
    project: job.project,
    createdAt: job.created_at,
    startedAt: job.started_at,
    endedAt: job.ended_at,
    result: job.result,
    artifacts,
    ...(logs.truncated && { logsTruncated: true }),
    ...(results.truncated && { resultsTruncated: true }),
  }
  return `${JSON.stringify(state).slice(0, -1)},"results":${list(results.events)},"logs":${list(logs.events)}}`
}

function list(events: readonly StoredEvent[]): string {
  return `[${events.map(({ data }) => data).join(',')}]`
}

/** A path outside the workspace's directory gets no link. Of several with one name the newest counts. */
function artifactsIn(events: readonly StoredEvent[], link: (path: string) => string) {
  const urls = new Map<string, string>()
  for (const { data } of events) {
    const { name, path }: { name?: unknown; path?: unknown } = JSON.parse(data)
    if (typeof name === 'string' && isArtifactPath(path)) urls.set(name, link(path))
  }
  return [...urls].map(([name, url]) => ({ name, url }))
}
