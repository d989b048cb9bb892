/** The tables of the usage: what each workspace has stored, as the gateways have counted it last (migrations/0061_usage.sql, 0072_unchanged_usage.sql). */
import type { Database, Queryable } from '../database/pool.js'

/** What a workspace has stored. */
export interface Usage {
  /** Without those of jobs. */
  readonly streams: number
  readonly jobs: number
  /** Those of jobs included. */
  readonly events: number
  /** The size of their data. */
  readonly bytes: number
}

export interface CountedUsage extends Usage {
  /** When the count began; null: it found nothing of this workspace. */
  readonly countedAt: Date | null
  /** How long ago that was, by the database's clock, in ms. */
  readonly ageMs: number
}

/**
 * A workspace of which the last count found nothing has zeros: it had no streams then, or it has them no more.
 * @returns undefined until a count has ended.
 */
export async function readUsage(database: Queryable, workspace: string): Promise<CountedUsage | undefined> {
  const { rows } = await database.query<CountedUsage>({
    name: 'sluice-read-usage',
    text: `
      select coalesce(u.streams, 0) as streams, coalesce(u.jobs, 0) as jobs,
             coalesce(u.events, 0) as events, coalesce(u.bytes, 0) as bytes,
             case when u.workspace is not null then p.begun_at end as "countedAt",
             (extract(epoch from clock_timestamp() - p.begun_at) * 1000)::float8 as "ageMs"
        from sluice.usage_pass p
        left join sluice.usage u on u.workspace = $1
       where p.one`,
    values: [workspace],
  })
  return rows[0]
}

/** @returns whether this process counts: it does so already, or no other process has for a minute. */
export async function takeCount(database: Database, node: string): Promise<boolean> {
  const { rows } = await database.query<{ taken: boolean }>({
    name: 'sluice-take-usage-count',
    text: 'select sluice.take_usage_count($1) as taken',
    values: [node],
  })
  return rows[0]?.taken ?? false
}

export interface CountedPart {
  /** The last stream that was counted; null: there are no more. */
  readonly upTo: number | null
  /** Whether all of their events are counted; if not, the same call goes on. Never while a change of events is not committed. */
  readonly complete: boolean
  /** A JSON array of the sums of these streams, one for each workspace. Null: there are none. */
  readonly totals: string | null
}

/** Counts the streams after one: at most `mostStreams`, and about `mostEvents` new events. */
export async function countPart(
  database: Queryable,
  after: number,
  mostStreams: number,
  mostEvents: number,
): Promise<CountedPart> {
  const { rows } = await database.query<CountedPart>({
    name: 'sluice-count-usage',
    text: 'select up_to as "upTo", complete, totals from sluice.count_usage($1, $2, $3)',
    values: [after, mostStreams, mostEvents],
  })
  const [row] = rows
  if (!row) throw new Error('sluice.count_usage returned no row.')
  return row
}

/**
 * Replaces what was counted before.
 * @param totals a JSON array of sums; the database adds up those of the same workspace.
 * @param countedAt when the count began, by the database's clock.
 */
export async function storeUsage(database: Database, totals: string, countedAt: Date): Promise<void> {
  await database.query({
    name: 'sluice-store-usage',
    text: 'select sluice.store_usage($1, $2)',
    values: [totals, countedAt],
  })
}
