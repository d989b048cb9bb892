/** The tables of the usage: what each workspace has stored, as the gateways have counted it last (migrations/0061_usage.sql). */
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
  /** When the count began. */
  readonly countedAt: Date
  /** How long ago that was, by the database's clock, in ms. */
  readonly ageMs: number
}

/** Undefined for a workspace that has not been counted: it had no streams, or no count has ended yet. */
export async function readUsage(database: Queryable, workspace: string): Promise<CountedUsage | undefined> {
  const { rows } = await database.query<CountedUsage>({
    name: 'sluice-read-usage',
    text: `
      select u.streams, u.jobs, u.events, u.bytes, u.counted_at as "countedAt",
             (extract(epoch from clock_timestamp() - u.counted_at) * 1000)::float8 as "ageMs"
        from sluice.usage u where u.workspace = $1`,
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

/** The usage of some workspaces, in a part of their streams. */
export type Totals = readonly (Usage & { readonly workspace: string })[]

export interface CountedPart {
  /** The last stream that was counted; null: there are no more. */
  readonly upTo: number | null
  /** Whether all of their events are counted; if not, the same call goes on. Never while a change of events is not committed. */
  readonly complete: boolean
  readonly totals: Totals
}

/** Counts the streams after one: at most `mostStreams`, and about `mostEvents` new events. */
export async function countPart(
  database: Queryable,
  after: number,
  mostStreams: number,
  mostEvents: number,
): Promise<CountedPart> {
  const { rows } = await database.query<Omit<CountedPart, 'totals'> & { totals: string | null }>({
    name: 'sluice-count-usage',
    text: 'select up_to as "upTo", complete, totals from sluice.count_usage($1, $2, $3)',
    values: [after, mostStreams, mostEvents],
  })
  const [row] = rows
  if (!row) throw new Error('sluice.count_usage returned no row.')
  return { ...row, totals: JSON.parse(row.totals ?? '[]') }
}

/** Replaces what was counted before. @param countedAt when the count began, by the database's clock. */
export async function storeUsage(database: Database, totals: Totals, countedAt: Date): Promise<void> {
  await database.query({
    name: 'sluice-store-usage',
    text: 'select sluice.store_usage($1, $2)',
    values: [JSON.stringify(totals), countedAt],
  })
}
