/** The whole state of a run: its own fields, the fields that its payload, its updates and its result give it, and its lists. */
import Type, { type Static } from 'typebox'
import type { Newest } from '../../log/newest.js'
import { Job } from '../job.js'
import { type Fields, fieldsOf, type Members, resultOf, textOf, updateOf } from './run-reports.js'

/** The most entries of each list. */
export const MAX_ENTRIES = { logs: 5_000, results: 1_000 } as const

const { id, kind, status, created_at, ended_at, result } = Job.properties
const Truncated = Type.Optional(Type.Literal(true))
const Artifact = Type.Object({ name: Type.String(), url: Type.String() })
export type Artifact = Static<typeof Artifact>

export const Run = Type.Object(
  {
    id,
    status,
    title: Type.Unknown(),
    kind,
    project: Type.Unknown(),
    createdAt: created_at,
    startedAt: Type.Unknown(),
    finishedAt: Type.Unknown(),
    endedAt: ended_at,
    result,
    artifacts: Type.Array(Artifact),
    logsTruncated: Truncated,
    resultsTruncated: Truncated,
    updatesTruncated: Truncated,
    results: Type.Array(Type.Unknown()),
    logs: Type.Array(Type.String()),
  },
  {
    title: 'Run',
    additionalProperties: true,
    description:
      "The job, with the fields of its payload, of reported updates and of its result beside the job's own.",
  },
)
export type Run = Static<typeof Run>

export interface RunEvents {
  readonly logs: Newest
  readonly results: Newest
  readonly updates: Newest
}

/** Fields that the run has from a position of its stream on. */
interface Told {
  readonly position: number
  readonly fields: Fields
}

/** Linear in the number of fields. A later field replaces an earlier one of the same name, as at a client that merges updates. */
export function runOf(job: Job, { logs, results, updates }: RunEvents, artifacts: Artifact[]): Run {
  const told: Told[] = [
    { position: 0, fields: fieldsOf(job.payload) },
    ...updates.events.map(({ position, type, data }) => {
      return { position, fields: updateOf(type, JSON.parse(data)) }
    }),
    { position: Number.POSITIVE_INFINITY, fields: fieldsOf(job.result ?? {}) },
  ]
  const shown = {
    results: listOf('results', told, results, resultOf),
    logs: listOf('logs', told, logs, textOf),
  }
  return {
    id: job.id,
    status: job.status,
    title: job.title,
    kind: job.kind,
    project: job.project,
    createdAt: job.created_at,
    startedAt: job.started_at,
    finishedAt: job.ended_at,
    endedAt: job.ended_at,
    result: job.result,
    // Contains none of the fields that only the gateway sets.
    ...Object.fromEntries(told.flatMap(({ fields }) => fields)),
    artifacts,
    ...(shown.logs.truncated && { logsTruncated: true }),
    ...(shown.results.truncated && { resultsTruncated: true }),
    ...(updates.truncated && { updatesTruncated: true }),
    results: shown.results.entries,
    logs: shown.logs.entries,
  }
}

/** The newest list that an update gave the run, continued by the events after it. */
function listOf<Entry>(
  name: keyof typeof MAX_ENTRIES,
  told: readonly Told[],
  { events, truncated }: Newest,
  entryOf: (data: Members) => Entry,
): { entries: Entry[]; truncated: boolean } {
  const base = told.findLast(({ fields }) => fields.some(([given]) => given === name))
  const given = base?.fields.find(([given]) => given === name)?.[1]
  const later = events.filter(({ position }) => position > (base?.position ?? 0))
  const entries = [
    ...(Array.isArray(given) ? given : []),
    ...later.map(({ data }) => entryOf(JSON.parse(data))),
  ]
  const max = MAX_ENTRIES[name]
  return {
    entries: entries.slice(-max),
    truncated: entries.length > max || (truncated && later.length === events.length),
  }
}
