/** Layouts of the table of events that docs/decisions/0007 compares. The functions of the schema run on each of them. */
import type pg from 'pg'
import { SWEEP_BATCH } from '../src/database/sweep.js'
import { retainDue } from '../src/log/stored-streams.js'
import { elapsed } from '../src/process/deadline.js'

/** The age of the oldest event of a filled log. */
export const DAYS = 30
const DAY_MS = 86_400_000
/** As between the batches of a gateway. */
const PAUSE_MS = 20

export interface LogLayout {
  readonly name: string
  /** Turns the empty table of a migrated database into this layout. @param start the time of the first event. */
  arrange(client: pg.PoolClient, start: Date): Promise<unknown>
  /** Removes what is older than `start` and `days`. @returns the number of events. */
  retain(client: pg.PoolClient, start: Date, days: number): Promise<number>
  /** The least number of days that it can remove. */
  readonly daysEach: number
  /** Tables that VACUUM has to visit. */
  readonly vacuums: readonly string[]
}

/** Made anew for each log, because a layout knows which partitions it has dropped. */
export const layoutsOfLog = (): readonly LogLayout[] => [
  {
    name: 'one table',
    arrange: async () => undefined,
    daysEach: 1,
    retain: deleteExpired,
    vacuums: ['sluice.events', 'sluice.streams'],
  },
  {
    name: '16 partitions by stream',
    arrange: client =>
      partition(
        client,
        'hash (stream_id)',
        '(stream_id, "position")',
        Array.from({ length: 16 }, (_, n) => `for values with (modulus 16, remainder ${n})`),
      ),
    daysEach: 1,
    retain: deleteExpired,
    vacuums: ['sluice.events', 'sluice.streams'],
  },
  byTime('8 partitions by time', 4),
  byTime('30 partitions by time', 1),
]

/** The time of an event is assigned under the lock of its stream and never decreases: it is the generation. */
function byTime(name: string, daysEach: number): LogLayout {
  const count = Math.ceil(DAYS / daysEach)
  let dropped = 0
  const bound = (start: Date, n: number) =>
    `'${new Date(start.getTime() + n * daysEach * DAY_MS).toISOString()}'`
  return {
    name,
    daysEach,
    arrange: (client, start) =>
      partition(client, 'range (at)', '(stream_id, "position", at)', [
        ...Array.from({ length: count }, (_, n) => {
          const first = n === 0 ? 'minvalue' : bound(start, n)
          return `for values from (${first}) to (${n === count - 1 ? 'maxvalue' : bound(start, n + 1)})`
        }),
      ]),
    async retain(client, _, days) {
      let removed = 0
      for (; (dropped + 1) * daysEach <= days; dropped += 1) {
        removed += await dropPartition(client, `sluice.events_${dropped}`)
      }
      return removed
    },
    vacuums: ['sluice.streams'],
  }
}

async function partition(
  client: pg.PoolClient,
  by: string,
  key: string,
  bounds: readonly string[],
): Promise<void> {
  await client.query(`
    create table sluice.parts (like sluice.events including all excluding indexes) partition by ${by};
    drop table sluice.events;
    alter table sluice.parts rename to events;
    alter table sluice.events add primary key ${key};
    select sluice.guard('sluice.events', '(select s.id from sluice.streams s where s.id = stream_id) is not null');
    alter table sluice.events no force row level security;
    ${bounds.map((values, n) => `create table sluice.events_${n} partition of sluice.events ${values}`).join(';\n')}`)
}

async function deleteExpired(client: pg.PoolClient, start: Date, days: number): Promise<number> {
  let total = 0
  let after: string | undefined
  for (;;) {
    const kept = (Date.now() - start.getTime()) / DAY_MS - days
    const batch = await retainDue(client, 'feed', kept, SWEEP_BATCH, after)
    // This connection has no parser for bigint.
    total += Number(batch.removed)
    if (!batch.more) return total
    after = batch.after
    await elapsed(PAUSE_MS)
  }
}

/** The bases of the streams move in the same transaction. Without options that keep a stream's events for longer. */
async function dropPartition(client: pg.PoolClient, table: string): Promise<number> {
  await client.query('begin')
  const { rowCount } = await client.query(
    `update sluice.streams s
        set base_position = last."position", base_event_id = last.event_id, base_at = last.at, oldest_at = last.at,
            used_at = clock_timestamp()
       from (select distinct on (stream_id) * from ${table} order by stream_id, "position" desc) last
      where s.id = last.stream_id`,
  )
  const { rows } = await client.query(`select count(*)::int as events from ${table}`)
  await client.query(`drop table ${table}; commit`)
  return rowCount === null ? 0 : rows[0].events
}
