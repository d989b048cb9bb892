/** The statements on sluice.projects, one per function. The transaction is the caller's. */
import { withIsoDates } from '../database/iso-dates.js'
import type { Queryable } from '../database/pool.js'
import type { WorkspaceClient } from '../database/workspace.js'
import type { NamePatterns } from '../log/name-patterns.js'
import type { Place } from '../paging/page-cursor.js'
import { isGrantedProject } from './job-grants.js'
import type { Project, ProjectChange } from './project.js'

interface ProjectRow extends Omit<Project, 'created_at' | 'updated_at'> {
  readonly created_at: Date
  readonly updated_at: Date
}

const PROJECT = `p.id, p.members, p.executor, p.image, p.allowed_commands, p.allowed_env, p.created_by, p.created_at, p.updated_at`

/** Undefined if the workspace has a project of this id. */
export async function insertProject(
  client: WorkspaceClient,
  workspace: string,
  id: string,
  rules: Required<ProjectChange>,
  createdBy: string,
): Promise<Project | undefined> {
  const { rows } = await client.query<ProjectRow>({
    name: 'sluice-insert-project',
    text: `insert into sluice.projects as p
             (workspace, id, members, executor, image, allowed_commands, allowed_env, created_by)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (workspace, id) do nothing
           returning ${PROJECT}`,
    values: [workspace, id, ...valuesOf(rules), createdBy],
  })
  return rows.map(toProject)[0]
}

/** Sets the workspace of the transaction as well. @param locked whether to lock the project until the transaction ends. */
export async function selectProject(
  on: Queryable,
  workspace: string,
  id: string,
  locked = false,
): Promise<Project | undefined> {
  const { rows } = await on.query<ProjectRow>({
    name: `sluice-${locked ? 'lock' : 'select'}-project`,
    text: `select ${PROJECT} from set_config('sluice.workspace', $1, true), sluice.projects p
           where p.workspace = $1 and p.id = $2${locked ? ' for update of p' : ''}`,
    values: [workspace, id],
  })
  return rows.map(toProject)[0]
}

/** Newest first. @param member sees only the projects that it may enter; null sees all. @param granted default: every stream. */
export async function selectProjects(
  client: WorkspaceClient,
  workspace: string,
  member: string | null,
  after: Place | undefined,
  limit: number,
  granted?: NamePatterns,
): Promise<{ project: Project; place: Place }[]> {
  const { rows } = await client.query<ProjectRow & { at: number; key: string }>({
    name: 'sluice-select-projects',
    text: `
      select ${PROJECT}, p.key, (extract(epoch from p.created_at) * 1000000)::bigint as at
        from sluice.projects p
       where p.workspace = $1
         and ($2::text is null or p.members = '{}' or $2 = any (p.members))
         and ${isGrantedProject('p', '$6')}
         and ($3::bigint is null
              or (p.created_at, p.key) < (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::uuid))
       order by p.created_at desc, p.key desc
       limit $5`,
    values: [workspace, member, after?.at, after?.id, limit, granted?.prefixes],
  })
  return rows.map(({ at, key, ...row }) => ({ project: toProject(row), place: { at, id: key } }))
}

export async function updateProject(
  client: WorkspaceClient,
  workspace: string,
  id: string,
  rules: Required<ProjectChange>,
): Promise<Project | undefined> {
  const { rows } = await client.query<ProjectRow>({
    name: 'sluice-update-project',
    text: `update sluice.projects p
           set members = $3, executor = $4, image = $5, allowed_commands = $6, allowed_env = $7,
             updated_at = clock_timestamp()
           where p.workspace = $1 and p.id = $2
           returning ${PROJECT}`,
    values: [workspace, id, ...valuesOf(rules)],
  })
  return rows.map(toProject)[0]
}

export async function deleteProject(
  client: WorkspaceClient,
  workspace: string,
  id: string,
): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'sluice-delete-project',
    text: 'delete from sluice.projects p where p.workspace = $1 and p.id = $2',
    values: [workspace, id],
  })
  return rowCount === 1
}

function valuesOf({ members, executor, image, allowed_commands, allowed_env }: Required<ProjectChange>) {
  return [members, executor, image, allowed_commands, allowed_env]
}

function toProject(row: ProjectRow): Project {
  return withIsoDates(row)
}
