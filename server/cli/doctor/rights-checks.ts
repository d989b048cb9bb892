/** Checks of the role in DATABASE_URL: the schema and what in it belongs to others, and row-level security. */
import { type RowLevelSecurity, rowLevelSecurityOf } from '../../../src/database/row-level-security.js'
import type { DatabaseProbe } from './database-probe.js'
import { type Finding, fault, ok, warning } from './finding.js'

export interface RightsFacts {
  readonly role: string
  readonly database: string
  readonly isSuperuser: boolean
  /** Null if there is no schema sluice. */
  readonly owner: string | null
  readonly owns: boolean
  /** Tables and functions of the schema that belong to a role of which this one is no member: the first ones. */
  readonly foreign: readonly string[]
  readonly mayCreateSchema: boolean
}

export async function checkRights(probe: DatabaseProbe): Promise<Finding[]> {
  const facts = await probe.row<RightsFacts>(`
    select current_user::text as role, current_database()::text as database, m.rolsuper as "isSuperuser",
           pg_get_userbyid(n.nspowner)::text as owner, coalesce(pg_has_role(m.oid, n.nspowner, 'USAGE'), false) as owns,
           has_database_privilege(current_database(), 'CREATE') as "mayCreateSchema",
           array(select o.name from (
                   select 'table ' || c.relname as name from pg_class c
                    where c.relnamespace = n.oid and c.relkind in ('r', 'p') and not pg_has_role(m.oid, c.relowner, 'USAGE')
                   union all
                   select 'function ' || p.proname from pg_proc p
                    where p.pronamespace = n.oid and not pg_has_role(m.oid, p.proowner, 'USAGE')) o
                  order by o.name limit 5) as foreign
      from pg_roles m left join pg_namespace n on n.nspname = 'sluice'
     where m.rolname = current_user`)
  const rights = judgeRights(facts)
  return facts.owner === null
    ? rights
    : [...rights, judgeRowLevelSecurity(await rowLevelSecurityOf(probe.database))]
}

function judgeRights({
  role,
  database,
  isSuperuser,
  owner,
  owns,
  foreign,
  mayCreateSchema,
}: RightsFacts): Finding[] {
  const check = 'database-rights'
  if (owner === null) {
    return [
      fault(
        check,
        `The database ${database} has no schema sluice.`,
        mayCreateSchema
          ? 'Start a gateway, or run: sluice migrate.'
          : `As the owner of the database: grant create on database ${database} to ${role}; then run: sluice migrate.`,
      ),
    ]
  }
  if (!owns) {
    return [
      fault(
        check,
        `The schema sluice belongs to ${owner}, and ${role} is not a member of that role. A gateway cannot start as ${role}.`,
        `Connect as ${owner}, or, as a superuser: grant ${owner} to ${role};`,
      ),
    ]
  }
  if (foreign.length > 0) {
    return [
      fault(
        check,
        `Part of the schema sluice belongs to other roles than ${role}: ${foreign.join(', ')}. A restore as another role does this.`,
        `As a superuser: reassign owned by THE_OTHER_ROLE to ${role};`,
      ),
    ]
  }
  return [ok(check, `The role ${role} owns the schema sluice${isSuperuser ? ', and is a superuser' : ''}.`)]
}

function judgeRowLevelSecurity({ gap, role }: RowLevelSecurity): Finding {
  const check = 'database-row-level-security'
  if (gap !== undefined) {
    const [reason = gap, ...rest] = gap.split('. ')
    const remedy =
      rest.join('. ') ||
      'Switch it on again: alter table … enable row level security; alter table … force row level security;'
    return warning(
      check,
      `Row-level security does not confine requests to their workspace. ${reason.replace(/\.$/, '')}.`,
      remedy,
    )
  }
  return ok(
    check,
    `Row-level security confines requests to their workspace${role === undefined ? '' : ` (as ${role})`}.`,
  )
}
