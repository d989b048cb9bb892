/** The clock of the database, by which processes on several machines compare times. */
import type { Queryable } from './pool.js'

/** How far it is ahead of this process's clock, in ms: exact to half the duration of the statement. */
export async function databaseClockAhead(database: Queryable): Promise<number> {
  const sentAt = Date.now()
  const { rows } = await database.query<{ at: number }>({
    name: 'sluice-database-clock',
    text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as at',
  })
  return (rows[0]?.at ?? sentAt) - (sentAt + Date.now()) / 2
}
