/** The rows of the log, and which transactions wait. */
import type pg from 'pg'
import type { Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { until } from './until.js'

export interface Logged {
  readonly position: number
  readonly type: string
  readonly data: string
  readonly actor: string | null
  readonly at: Date
  readonly eventId: string
}

/** The events of a stream that the log holds, in the order of their positions. */
export async function logged(database: Database, stream = 'feed', workspace = 'w'): Promise<Logged[]> {
  const { rows } = await database.query<Logged>(
    `select e."position", e.type, e.data::text as data, e.actor, e.at, e.event_id as "eventId"
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = $1 and s.name = $2 order by e."position"`,
    [workspace, stream],
  )
  return rows
}

export async function typesOf(database: Database, stream?: string, workspace?: string): Promise<string[]> {
  return (await logged(database, stream, workspace)).map(({ type }) => type)
}

/** 1, 2, 3, … without a gap. */
export function isDense(rows: readonly { readonly position: number }[], first = 1): boolean {
  return rows.every(({ position }, index) => position === first + index)
}

/** A separate connection for one test, closed at its end: another test must not inherit its settings. */
export async function connect(test: Test, database: Database): Promise<pg.PoolClient> {
  const client = await database.connect()
  test.teardown(() => client.release(true))
  return client
}

/** The number of the server process behind a connection. */
export async function backendOf(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

/** Resolves when the process waits for a lock that another transaction holds. */
export async function untilBlocked(database: Database, pid: number): Promise<void> {
  await until('it waits for a lock', async () => {
    const { rows } = await database.query('select cardinality(pg_blocking_pids($1)) > 0 as blocked', [pid])
    return rows[0]?.blocked === true
  })
}

/** Rows that statements have fetched from the table of streams. */
export async function streamRowsRead(database: Database): Promise<number> {
  await database.query('select pg_stat_force_next_flush()')
  const { rows } = await database.query<{ read: number }>(
    `select seq_tup_read + coalesce(idx_tup_fetch, 0) as read from pg_stat_user_tables
      where schemaname = 'sluice' and relname = 'streams'`,
  )
  return rows[0]?.read ?? 0
}
