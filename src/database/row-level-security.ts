/**
 * Whether row-level security keeps requests within their workspace. That depends on the role in DATABASE_URL: the policies
 * apply to the owner of the tables, unless it is a superuser or has BYPASSRLS. For such a role, requests switch to a role that
 * the policies do apply to, if it exists and has its rights in this database: it may have been created for another database
 * of the same server. Every start of a gateway creates it where it can (src/database/migrate.ts).
 */
import { databaseFault, faultProblem } from './database-fault.js'
import { MIGRATION_LOCK } from './migrate.js'
import { type Database, inTransaction } from './pool.js'

/** Created by sluice.raise_wall; the policies know it by its name (migrations/). */
const REQUEST_ROLE = 'sluice_request'

export interface RowLevelSecurity {
  /** Why it does not protect the workspaces, and the remedy; undefined while it does. */
  readonly gap: string | undefined
  /** The role that transactions of requests switch to; undefined if the policies apply to the connection's own role. */
  readonly role: string | undefined
}

/** By URL: all pools of a process with the same URL connect with the same role. */
const known = new Map<object | string, Promise<RowLevelSecurity>>()

/** The state of row-level security, read once for each URL. */
export function rowLevelSecurityOf(database: Database): Promise<RowLevelSecurity> {
  return known.get(keyOf(database)) ?? remember(database, readRowLevelSecurity(database))
}

/** Whether row-level security that was in force still is. Reads it from the database. */
export async function rowLevelSecurityHolds(database: Database): Promise<boolean> {
  const [before, now] = await Promise.all([rowLevelSecurityOf(database), readRowLevelSecurity(database)])
  return before.role === now.role && now.gap === undefined
}

const renewals = new Map<object | string, Promise<RowLevelSecurity>>()

/**
 * Restores row-level security that was in force and has failed: the role was dropped, or the database was restored into a
 * server without it. Creates the role and its rights again if the gateway may, as at a start, and reads the state again.
 * Concurrent callers share one attempt.
 * @throws {Problem} 503 if the gateway may not restore it: requests never continue without the protection they had.
 */
export function restoreRowLevelSecurity(database: Database): Promise<RowLevelSecurity> {
  const running = renewals.get(keyOf(database))
  if (running) return running
  const renewal = restoreOnce(database).finally(() => renewals.delete(keyOf(database)))
  renewals.set(keyOf(database), renewal)
  return renewal
}

async function restoreOnce(database: Database): Promise<RowLevelSecurity> {
  await inTransaction(database, async client => {
    await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`)
    await client.query('select sluice.raise_wall()')
  }).catch(error => {
    // The gateway lacks the rights, or the server is read-only. The state that results is read below.
    if (databaseFault(error)?.name === 'away') throw error
  })
  const found = await readRowLevelSecurity(database)
  if (found.gap !== undefined) throw faultProblem('not-set-up', new Error(`Row-level security: ${found.gap}`))
  return remember(database, Promise.resolve(found))
}

/** Identifies the database: by its URL, or by the options of an application's pool that has no URL. */
function keyOf({ options }: Database): object | string {
  return options.connectionString ?? options
}

function remember(database: Database, asked: Promise<RowLevelSecurity>): Promise<RowLevelSecurity> {
  known.set(keyOf(database), asked)
  asked.catch(() => known.delete(keyOf(database)))
  return asked
}

async function readRowLevelSecurity(database: Database): Promise<RowLevelSecurity> {
  const { rows } = await database.query<{
    me: string
    bypasses: boolean
    joined: boolean
    unguarded: string[]
  }>({
    name: 'sluice-read-row-level-security',
    text: `
      select current_user::text as me, m.rolsuper or m.rolbypassrls as bypasses,
             coalesce(not r.rolsuper and not r.rolbypassrls
               and has_schema_privilege(r.oid, to_regnamespace('sluice'), 'USAGE') and pg_has_role(m.oid, r.oid,
               case when current_setting('server_version_num')::int < 160000 then 'MEMBER' else 'SET' end), false) as joined,
             array(select c.relname::text from pg_class c
                     join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace'
                    where c.relnamespace = to_regnamespace('sluice') and c.relkind = 'r'
                      and not (c.relrowsecurity and c.relforcerowsecurity)) as unguarded
        from pg_roles m left join pg_roles r on r.rolname = $1
       where m.rolname = current_user`,
    values: [REQUEST_ROLE],
  })
  const [row] = rows
  if (!row) throw new Error('The database has no row for the role of this connection.')
  const role = row.joined ? REQUEST_ROLE : undefined
  return { gap: gapOf(row), role }
}

function gapOf({
  me,
  bypasses,
  joined,
  unguarded,
}: {
  me: string
  bypasses: boolean
  joined: boolean
  unguarded: string[]
}) {
  if (unguarded.length > 0) return `It is switched off for ${unguarded.join(', ')}.`
  if (!bypasses || joined) return undefined
  return (
    `The role ${me} bypasses it and may not create a role that does not. Connect as a role that only owns the schema, ` +
    `or, as a superuser: create role ${REQUEST_ROLE} nologin; grant ${REQUEST_ROLE} to ${me};`
  )
}
