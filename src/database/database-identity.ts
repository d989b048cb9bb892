/**
 * Which database this is. A UUID in the schema would not suffice: a copy by CREATE DATABASE … TEMPLATE or by pg_restore contains
 * it too, and its streams get other events under the same numbers.
 */
import type { Queryable } from './pool.js'

export interface DatabaseIdentity {
  /**
   * The server's system identifier and the number of the database in it. A standby has the same, so it survives a failover; a restored
   * dump, and a server after pg_upgrade, have another.
   */
  readonly cluster: string
  /** Changes with each promotion of a standby, after which the former primary may live on with another history. */
  readonly timeline: number
}

/** From the control file (PostgreSQL manual, 9.28.7): right after a promotion only the end of recovery has the new timeline. */
export async function databaseIdentity(database: Queryable): Promise<DatabaseIdentity> {
  const { rows } = await database.query<DatabaseIdentity>({
    name: 'sluice-database-identity',
    text: `
      select format('%s-%s', s.system_identifier, d.oid) as cluster,
             greatest(c.timeline_id, r.min_recovery_end_timeline) as timeline
        from pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r, pg_database d
       where d.datname = current_database()`,
  })
  const [identity] = rows
  if (!identity) throw new Error('The database has not said which one it is.')
  return identity
}
