/** The statements of presence (migrations/0060_stream_clients.sql). */
import type { Database } from '../database/pool.js'
import type { StreamId, StreamName } from '../log/event.js'

const DEADLINE_MS = 5_000

/** A principal that follows a stream in a process. */
export interface FollowingPrincipal extends StreamName {
  readonly stream: StreamId
  readonly principal: string
}

/**
 * Leaves out principals on a stream whose number belongs to another stream by now, after a restore: its readers would see
 * them.
 * @param changes `anew`: `come` are all of them, and not only those that have come since.
 */
export async function reportPrincipals(
  database: Database,
  node: string,
  changes: {
    readonly anew: boolean
    readonly left: readonly FollowingPrincipal[]
    readonly come: readonly FollowingPrincipal[]
  },
): Promise<void> {
  const { anew, left, come } = changes
  const all = [...left, ...come]
  const statement = {
    name: 'sluice-report-principals',
    text: `
      select sluice.report_principals($1, $2, coalesce(array_agg(t.stream_id), '{}'), coalesce(array_agg(t.principal), '{}'),
               coalesce(array_agg(t.there), '{}'))
        from unnest($3::bigint[], $4::text[], $5::boolean[], $6::text[], $7::text[])
               as t (stream_id, principal, there, workspace, name)
       where not t.there or exists (
               select from sluice.streams s where s.id = t.stream_id and s.workspace = t.workspace and s.name = t.name)`,
    values: [
      node,
      anew,
      all.map(({ stream }) => stream),
      all.map(({ principal }) => principal),
      all.map((_, index) => index >= left.length),
      all.map(({ workspace }) => workspace),
      all.map(({ name }) => name),
    ],
    query_timeout: DEADLINE_MS,
  }
  await database.query(statement)
}

/** Streams with changes to publish; not all of them, if there are many. */
export async function findDue(database: Database, graceMs: number): Promise<StreamId[]> {
  const statement = {
    name: 'sluice-presence-due',
    text: 'select stream from sluice.presence_due($1) stream',
    values: [graceMs],
    query_timeout: DEADLINE_MS,
  }
  const { rows } = await database.query<{ stream: StreamId }>(statement)
  return rows.map(({ stream }) => stream)
}

/** Publishes the changes of a stream. @returns the stream of its presence if that has grown. */
export async function notePresence(
  database: Database,
  stream: StreamId,
  graceMs: number,
  most: number,
): Promise<StreamId | undefined> {
  const statement = {
    name: 'sluice-note-presence',
    text: 'select presence_stream as presence, events from sluice.note_presence($1, $2, $3)',
    values: [stream, graceMs, most],
    query_timeout: DEADLINE_MS,
  }
  const { rows } = await database.query<{ presence: StreamId; events: number }>(statement)
  const [row] = rows
  return row && row.events > 0 ? row.presence : undefined
}
