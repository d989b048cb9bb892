/**
 * The rules of a project, as the gateway applies them to commands. A command is compared as a whole, byte by byte, because a
 * shell executes it: in `npm test; id` the part that was allowed says nothing about the rest. For the same reason a project
 * that allows certain commands allows no variables unless it lists them: `PATH`, `LD_PRELOAD` or `NODE_OPTIONS` would make
 * another command out of an allowed one.
 */
import type { Author, Principal } from '../auth/principal.js'
import { Problem } from '../problems/problem.js'
import type { Project } from './project.js'

/** A principal; without a role it is an ordinary member of the workspace, and without grants it reads all jobs. */
export type Caller = Author & Partial<Pick<Principal, 'role' | 'grants'>>

/** The members of a payload that `sluice runner` reads. Other members might change what another runner executes. */
const COMMAND_MEMBERS = ['command', 'env', 'timeout_ms']

type Payload = Readonly<Record<string, unknown>>

/** The principal whose membership decides what it sees; null for a caller that sees every project. */
export function memberOf({ id, role }: Caller): string | null {
  return role === 'admin' || role === 'runner' ? null : id
}

export function isMember(caller: Caller, { members }: Pick<Project, 'members'>): boolean {
  const member = memberOf(caller)
  return member === null || members.length === 0 || members.includes(member)
}

/**
 * Checks a command that the caller wants to queue.
 * @param project undefined if it has not been declared.
 * @param declaredOnly whether commands of other projects are refused.
 * @throws {Problem} 404 `not-found`; 403 `not-a-member`, `command-not-allowed`, `variable-not-allowed`.
 */
export function assertMayRun(
  caller: Caller,
  project: Project | undefined,
  payload: Payload,
  declaredOnly: boolean,
): void {
  if (!project) {
    if (declaredOnly) throw notDeclared()
    return
  }
  if (!isMember(caller, project)) throw notAMember()
  const { allowed_commands, allowed_env } = project
  if (allowed_commands !== null && !isAllowed(payload, allowed_commands)) throw commandNotAllowed()
  const variables = allowed_env ?? (allowed_commands === null ? undefined : [])
  if (variables === undefined) return
  const foreign = Object.keys(Object(payload.env)).find(name => !variables.includes(name))
  if (foreign !== undefined) throw variableNotAllowed()
}

function isAllowed(payload: Payload, allowed: readonly string[]): boolean {
  const { command } = payload
  const known = Object.keys(payload).every(name => COMMAND_MEMBERS.includes(name))
  return known && typeof command === 'string' && allowed.includes(command)
}

function notDeclared(): Problem {
  const detail =
    'No such project is declared in your workspace. Ask an admin to declare it with POST /projects.'
  return new Problem(404, 'not-found', detail)
}

function notAMember(): Problem {
  const detail =
    'You are not a member of this project, so you cannot run commands in it. Ask an admin to add you.'
  return new Problem(403, 'not-a-member', detail)
}

function commandNotAllowed(): Problem {
  const detail =
    'This project runs certain commands only, and this is none of them. Send one of its `allowed_commands` unchanged: GET ' +
    '/projects/:id lists them.'
  return new Problem(403, 'command-not-allowed', detail)
}

function variableNotAllowed(): Problem {
  const detail =
    'This project does not let commands set this variable. Leave `env` out, or set only the variables of its `allowed_env`.'
  return new Problem(403, 'variable-not-allowed', detail)
}
