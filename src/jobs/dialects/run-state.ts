/** The whole state of a run: its own fields, the fields that its payload, its updates and its result give it, and its lists. */
import Type, { type Static } from 'typebox'
import { Job } from '../job.js'
import { type Fields, fieldsOf, type Members } from './run-reports.js'

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

/** The content of reported events, in order. */
export interface Reported<Content> {
  readonly entries: readonly { readonly position: number; readonly content: Content }[]
  /** Whether there are older ones. */
  readonly truncated: boolean
}

export interface RunReports {
  readonly logs: Reported<string>
  readonly results: Reported<Members>
  readonly updates: Reported<Fields>
}

/** Linear in the number of fields. A later field replaces an earlier one of the same name, as at a client that merges updates. */
export function runOf(job: Job, { logs, results, updates }: RunReports, artifacts: Artifact[]): Run {
  const told: RunReports['updates']['entries'] = [
    { position: 0, content: fieldsOf(job.payload) },
    ...updates.entries,
    { position: Number.POSITIVE_INFINITY, content: fieldsOf(job.result ?? {}) },
  ]
  const shown = { results: listOf('results', told, results), logs: listOf('logs', told, logs) }
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
    ...Object.fromEntries(told.flatMap(({ content }) => content)),
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
  told: RunReports['updates']['entries'],
  { entries: reported, truncated }: Reported<Entry>,
): { entries: Entry[]; truncated: boolean } {
  const base = told.findLast(({ content }) => content.some(([given]) => given === name))
  const given = base?.content.find(([given]) => given === name)?.[1]
  const later = reported.filter(({ position }) => position > (base?.position ?? 0))
  const entries = [...(Array.isArray(given) ? given : []), ...later.map(({ content }) => content)]
  const max = MAX_ENTRIES[name]
  return {
    entries: entries.slice(-max),
    truncated: entries.length > max || (truncated && later.length === reported.length),
  }
}
