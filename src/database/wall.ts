/**
 * Whether the tables hold requests to their workspace, which hangs on the role that DATABASE_URL names: row-level
 * security binds a table's owner that is neither a superuser nor has BYPASSRLS. The requests of others take on a role
 * that it binds, if there is one: and if it was given its rights here, as every start does (src/database/migrate.ts), for it
 * may have been made for another database of this server.
 */
import type { Database } from './pool.js'

/** Made by sluice.raise_wall; known to the policies by its name (migrations/0011_row_level_security.sql). */
const REQUEST_ROLE = 'sluice_request'

export interface Wall {
  /** Why it does not hold, and what to do about it; undefined while it holds. */
  readonly gap: string | undefined
  /** What the transactions of requests take on; undefined where the connection's own role is bound. */
  readonly role: string | undefined
}

const walls = new WeakMap<Database, Promise<Wall>>()

/** Asked once for each pool: all of its connections are of one role. */
export function wallOf(database: Database): Promise<Wall> {
  const known = walls.get(database)
  if (known) return known
  const asked = readWall(database)
  walls.set(database, asked)
  asked.catch(() => walls.delete(database))
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
