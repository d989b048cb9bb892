/** The projects of all workspaces: admins declare them, and each change commits together with its entry in the audit log. */
import { type Action, type Origin, recordAudit } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import type { NamePatterns } from '../log/name-patterns.js'
import { cutPage, formatPlace, parsePlace } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import { notFound, Problem } from '../problems/problem.js'
import { type NewProject, NO_RULES, type Project, type ProjectChange } from './project.js'
import * as rows from './project-rows.js'
import { type Caller, isMember, memberOf } from './project-rules.js'

/** `next_cursor` is null on the last page. */
export interface ProjectPage {
  readonly projects: Project[]
  readonly next_cursor: string | null
}

export class Projects {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** @throws {Problem} 409 `project-exists`. */
  async declare(origin: Origin, { id, ...given }: NewProject): Promise<Project> {
    const rules = { ...NO_RULES, ...given }
    return this.#record('project.declared', origin, id, async client => {
      const made = await rows.insertProject(
        client,
        origin.workspace,
        id,
        rules,
        origin.principal ?? 'unknown',
      )
      if (!made) {
        throw new Problem(
          409,
          'project-exists',
          'Your workspace has declared this project. Change it with PATCH.',
        )
      }
      return made
    })
  }

  /** @throws {Problem} 404 `not-found`, also for a caller that is no member of it. */
  async get(caller: Caller, id: string): Promise<Project> {
    const { workspace } = caller
    const found = await inWorkspace(this.#database, workspace, client =>
      rows.selectProject(client, workspace, id),
    )
    if (!found || !isMember(caller, found)) throw notFound('project')
    return found
  }

  /** The projects that the caller may enter, and whose jobs are all granted, newest first. @throws {Problem} 400 `invalid-cursor`. */
  async list(caller: Caller, { limit, cursor }: PageRequest, granted?: NamePatterns): Promise<ProjectPage> {
    const { workspace } = caller
    const after = cursor === undefined ? undefined : parsePlace('projects', cursor)
    const found = await inWorkspace(this.#database, workspace, client =>
      rows.selectProjects(client, workspace, memberOf(caller), after, limit + 1, granted),
    )
    const { page, next_cursor } = cutPage(found, limit, ({ place }) => formatPlace('projects', place))
    return { projects: page.map(({ project }) => project), next_cursor }
  }

  /** @throws {Problem} 404 `not-found`. */
  async change(origin: Origin, id: string, change: ProjectChange): Promise<Project> {
    const { workspace } = origin
    return this.#record('project.changed', origin, id, async client => {
      const old = await rows.selectProject(client, workspace, id, true)
      const changed = old && (await rows.updateProject(client, workspace, id, { ...old, ...change }))
      if (!changed) throw notFound('project')
      return changed
    })
  }

  /** @throws {Problem} 404 `not-found`. */
  async delete(origin: Origin, id: string): Promise<void> {
    await this.#record('project.deleted', origin, id, async client => {
      if (!(await rows.deleteProject(client, origin.workspace, id))) throw notFound('project')
      return undefined
    })
  }

  async #record<Result extends Project | undefined>(
    action: Action,
    origin: Origin,
    id: string,
    work: (client: WorkspaceClient) => Promise<Result>,
  ): Promise<Result> {
    return inWorkspace(this.#database, origin.workspace, async client => {
      const result = await work(client)
      await recordAudit(client, {
        ...origin,
        action,
        details: { project: id, ...(result && summaryOf(result)) },
      })
      return result
    })
  }
}

/** The rules without their texts: a command may contain a password. */
function summaryOf({ members, executor, image, allowed_commands, allowed_env }: Project) {
  return {
    members,
    executor,
    image,
    allowed_commands: allowed_commands === null ? null : allowed_commands.length,
    allowed_env,
  }
}
