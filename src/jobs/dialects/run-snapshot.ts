/**
 * The first message for clients of a run: the whole run. All of it is taken at one position, so that the snapshot and the
 * later events together are exact: the job's state was read together with the position, and the log up to there no longer
 * changes.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../../database/pool.js'
import { inWorkspace } from '../../database/workspace.js'
import { cursorId } from '../../hub/cursor.js'
import type { Opening } from '../../hub/start.js'
import type { Position, StoredEvent } from '../../log/event.js'
import { checkOf } from '../../log/event-id.js'
import { type Newest, readNewest } from '../../log/newest.js'
import { isArtifactPath } from '../artifacts.js'
import type { JobSnapshot } from '../job-reads.js'
import { resultOf, textOf, updateOf } from './run-reports.js'
import { type Artifact, MAX_ENTRIES, type Reported, type Run, runOf } from './run-state.js'
import { LOG_TYPES, runSnapshot, UPDATE_TYPES } from './runs.js'

const MAX_LOG_BYTES = 1024 * 1024
const MAX_RESULT_BYTES = 256 * 1024
const MAX_UPDATES = 10_000
const MAX_UPDATE_BYTES = 256 * 1024
const MAX_ARTIFACTS = 1_000
const MAX_ARTIFACT_BYTES = 256 * 1024
/** Characters of data that are parsed before other work of the process has its turn. */
const SLICE_LENGTH = 64 * 1024

export interface RunSources {
  readonly database: Database
  readonly workspace: string
  /** The link to an artifact; undefined if artifacts are not served, and then none are listed. */
  readonly link: ((path: string) => string) | undefined
}

/** The snapshot, and the position after which the stream continues. */
export async function openRun(sources: RunSources, snapshot: JobSnapshot): Promise<Opening> {
  const { job, head } = snapshot
  const run = JSON.stringify(await readRun(sources, snapshot))
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

/** The run as it was at the snapshot's head. */
export async function readRun(
  { database, workspace, link }: RunSources,
  { job, stream, head }: JobSnapshot,
): Promise<Run> {
  const { logs, results, updates, artifacts } = await inWorkspace(database, workspace, async client => {
    const newest = (types: readonly string[], limit: number, maxBytes: number) =>
      readNewest(client, stream, types, head.position, limit, maxBytes)
    return {
      logs: await newest(LOG_TYPES, MAX_ENTRIES.logs, MAX_LOG_BYTES),
      results: await newest(['result'], MAX_ENTRIES.results, MAX_RESULT_BYTES),
      updates: await newest(UPDATE_TYPES, MAX_UPDATES, MAX_UPDATE_BYTES),
      artifacts: link ? (await newest(['artifact'], MAX_ARTIFACTS, MAX_ARTIFACT_BYTES)).events : [],
    }
  })
  const reports = {
    logs: await reportedIn(logs, ({ data }) => textOf(JSON.parse(data))),
    results: await reportedIn(results, ({ data }) => resultOf(JSON.parse(data))),
    updates: await reportedIn(updates, ({ type, data }) => updateOf(type, JSON.parse(data))),
  }
  return runOf(job, reports, link ? artifactsIn(artifacts, link) : [])
}

/** Parses in slices of the event loop, because a mebibyte of many short members takes a tenth of a second. */
async function reportedIn<Content>(
  { events, truncated }: Newest,
  contentOf: (event: StoredEvent) => Content,
): Promise<Reported<Content>> {
  const entries: { position: number; content: Content }[] = []
  let length = 0
  for (const event of events) {
    entries.push({ position: event.position, content: contentOf(event) })
    length += event.data.length
    if (length < SLICE_LENGTH) continue
    length = 0
    await nextTurn()
  }
  return { entries, truncated }
}

/** A path outside the workspace's directory gets no link. Of several artifacts with one name the newest counts. */
function artifactsIn(events: readonly StoredEvent[], link: (path: string) => string): Artifact[] {
  const urls = new Map<string, string>()
  for (const { data } of events) {
    const { name, path }: { name?: unknown; path?: unknown } = JSON.parse(data)
    if (typeof name === 'string' && isArtifactPath(path)) urls.set(name, link(path))
  }
  return [...urls].map(([name, url]) => ({ name, url }))
}
