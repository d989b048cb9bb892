/**
 * Whether the tables hold requests to their workspace, which hangs on the role that DATABASE_URL names: row-level
 * security binds a table's owner that is neither a superuser nor has BYPASSRLS. The requests of others take on a role
 * that it binds, if there is one: and if it was given its rights here, as every start does (src/database/migrate.ts), for it
 * may have been made for another database of this server.
 */
import { databaseFault, faultProblem } from './database-fault.js'
import { MIGRATION_LOCK } from './migrate.js'
import { type Database, inTransaction } from './pool.js'

/** Made by sluice.raise_wall; known to the policies by its name (migrations/0001_row_level_security.sql). */
const REQUEST_ROLE = 'sluice_request'

export interface Wall {
  /** Why it does not hold, and what to do about it; undefined while it holds. */
  readonly gap: string | undefined
  /** What the transactions of requests take on; undefined where the connection's own role is bound. */
  readonly role: string | undefined
}

/** By URL: all pools of a process with the same URL connect as the same role. */
const walls = new Map<string, Promise<Wall>>()

/** Asked once for each URL: all of its connections are of one role. */
export function wallOf(database: Database): Promise<Wall> {
  return walls.get(urlOf(database)) ?? remember(database, readWall(database))
}

/** Whether a wall that stood still does, read anew. */
export async function wallStands(database: Database): Promise<boolean> {
  const [before, now] = await Promise.all([wallOf(database), readWall(database)])
  return before.role === now.role && now.gap === undefined
}

const renewals = new Map<string, Promise<Wall>>()

/**
 * Repairs a wall that stood and has failed: the role was dropped, or the database was restored into a server that does not
 * have it. Creates the role and its rights again where the gateway may, as a start does, and reads the wall anew.
 * Concurrent callers share one attempt.
 * @throws {Problem} 503 where the gateway may not repair it: requests that were held to their workspace do not run
 *   without that.
 */
export function renewWall(database: Database): Promise<Wall> {
  const running = renewals.get(urlOf(database))
  if (running) return running
  const renewal = raiseAgain(database).finally(() => renewals.delete(urlOf(database)))
  renewals.set(urlOf(database), renewal)
  return renewal
}

async function raiseAgain(database: Database): Promise<Wall> {
  await inTransaction(database, async client => {
    await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`)
    await client.query('select sluice.raise_wall()')
  }).catch(error => {
    // The role has no right to do it, or the server is read-only. The wall as it is then is read below.
    if (databaseFault(error)?.name === 'away') throw error
  })
  const wall = await readWall(database)
  if (wall.gap !== undefined) throw faultProblem('not-set-up', new Error(`Row-level security: ${wall.gap}`))
  return remember(database, Promise.resolve(wall))
}

function urlOf({ options }: Database): string {
  return options.connectionString ?? ''
}

function remember(database: Database, asked: Promise<Wall>): Promise<Wall> {
  walls.set(urlOf(database), asked)
  asked.catch(() => walls.delete(urlOf(database)))
  return asked
}

async function readWall(database: Database): Promise<Wall> {
  const { rows } = await database.query<{
    me: string
    bypasses: boolean
    joined: boolean
    unguarded: string[]
  }>({
    name: 'sluice-read-wall',
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
  if (!row) throw new Error('The database does not know the role that is connected to it.')
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
  if (unguarded.length > 0) return `It was switched off for ${unguarded.join(', ')}.`
  if (!bypasses || joined) return undefined
  return (
    `The role ${me} bypasses it and may not make one that does not. Connect as a role that owns the schema and no more, ` +
    `or, as a superuser: create role ${REQUEST_ROLE} nologin; grant ${REQUEST_ROLE} to ${me};`
  )
}
