/** The limit of streams per workspace, and retention's share of them (migrations/0006_retention.sql). */
import type { Database, Queryable } from '../database/pool.js'
import type { StreamId } from './event.js'

const KEPT = `$2::float8 * interval '1 day'`

export interface DueBatch {
  readonly removed: number
  readonly more: boolean
  /** Where the next batch continues. */
  readonly after: string
}

/**
 * Removes at most `atMost` expired events of a kind of stream, and the streams that are empty and unused.
 * @param after as the batch before returned it. Default: from the oldest on.
 */
export async function retainDue(
  database: Queryable,
  kind: string,
  days: number,
  atMost: number,
  after = '-infinity',
): Promise<DueBatch> {
  const { rows } = await database.query<DueBatch>({
    name: 'sluice-retain-due',
    text: `select removed, more, after::text as after from sluice.retain_due($1, ${KEPT}, $3, $4::timestamptz)`,
    values: [kind, days, atMost, after],
  })
  return rows[0] ?? { removed: 0, more: false, after }
}

/** The streams with expired events: after `retainDue`, those that others had locked. */
export async function findDue(
  database: Database,
  kind: string,
  days: number,
  atMost: number,
): Promise<StreamId[]> {
  const { rows } = await database.query<{ id: StreamId }>({
    name: 'sluice-find-due',
    text: `
      select s.id from sluice.streams s
       where s.kind = $1 and s.oldest_at < now() - ${KEPT} and not s.own_retention order by s.oldest_at limit $3`,
    values: [kind, days, atMost],
  })
  return rows.map(({ id }) => id)
}

export interface OwnBatch {
  readonly removed: number
  readonly more: boolean
  /** Streams that are due, but were locked. */
  readonly busy: readonly StreamId[]
}

/**
 * As `retainDue`, for streams whose retention is set by options of their own or of their workspace. @param days for
 * streams whose options name no age; null: for ever.
 */
export async function retainOwn(database: Database, days: number | null, atMost: number): Promise<OwnBatch> {
  const { rows } = await database.query<{ removed: number; more: boolean; busy: string }>({
    name: 'sluice-retain-own',
    text: `
      select removed, more, array_to_json(busy) as busy
        from sluice.retain_own($1::float8 * interval '1 day', $2, '', '')`,
    values: [days, atMost],
  })
  const [row] = rows
  if (!row) throw new Error('sluice.retain_own returned no row.')
  return { removed: row.removed, more: row.more, busy: JSON.parse(row.busy) }
}

/** @throws 55P03 if the stream stays locked. @param days null: for ever, unless options name an age. */
export async function retainStream(
  database: Database,
  stream: StreamId,
  days: number | null,
  atMost: number,
): Promise<number> {
  const { rows } = await database.query<{ removed: number }>({
    name: 'sluice-retain-stream',
    text: `select sluice.retain_stream($1, ${KEPT}, $3) as removed`,
    values: [stream, days, atMost],
  })
  return rows[0]?.removed ?? 0
}

/** @param most the maximum number of streams of a workspace. 0 = unlimited. */
export async function limitStreams(database: Database, most: number): Promise<void> {
  await database.query({
    name: 'sluice-limit-streams',
    text: `
      insert into sluice.limits as l (name, most) values ('streams', $1)
          on conflict (name) do update set most = excluded.most where l.most <> excluded.most`,
    values: [most],
  })
}
