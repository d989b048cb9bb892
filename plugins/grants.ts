/**
 * Grants: the one place where a route asks whether its caller may read or write a stream. Every route declares in
 * `config.grants` what it shows and writes; a route without it fails the boot. The answers follow the caller's grants as they
 * are at the moment of the call, after the body has arrived.
 */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Authorize, StreamAction } from '../src/auth/grants/decision.js'
import { Decisions } from '../src/auth/grants/decisions.js'
import { publishNotGranted, workspaceNotGranted } from '../src/auth/grants/grant-problem.js'
import type { Grants } from '../src/auth/grants/grants.js'
import { grantOn, type StreamGrant, type StreamUse } from '../src/auth/grants/stream-grant.js'
import type { Principal } from '../src/auth/principal.js'
import { namesOfStream, projectIn } from '../src/jobs/job-grants.js'
import { notFound } from '../src/problems/problem.js'

/**
 * The data that a route shows or writes, as far as grants decide on it:
 * `none`: nothing that belongs to a stream;
 * `stream`: the stream that the request names;
 * `feed`: the feed of the workspace, which items live on;
 * `job`: the stream of one job;
 * `jobs`: jobs that the route chooses, only granted ones;
 * `project`: the rules of projects, only of those whose jobs are all granted;
 * `credentials`: other credentials, only within the caller's own grants;
 * `workspace`: the whole workspace, so the route refuses callers with grants.
 */
export const GRANT_KINDS = [
  'none',
  'stream',
  'feed',
  'job',
  'jobs',
  'project',
  'credentials',
  'workspace',
] as const
export type GrantKind = (typeof GRANT_KINDS)[number]

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Required on every route of the gateway. */
    grants?: GrantKind
  }
  interface FastifyInstance {
    grants: RouteGrants
  }
}

export interface RouteGrants {
  /** The grants of the caller as they are now; undefined: all that its role allows. */
  of(request: FastifyRequest): Grants | undefined
  /**
   * The part of a stream that the caller may read: filter its events by the types of the result.
   * @param what the noun of the 404, as the route has it for something that does not exist. Default `stream`.
   * @param types that the answer depends on, for a route that shows no events: all of them must be granted. Default: none.
   * @throws {Problem} 404 `not-found` if the grants leave the stream or a type out.
   */
  toRead(
    request: FastifyRequest,
    stream: string,
    what?: string,
    types?: readonly string[],
  ): Promise<StreamGrant>
  /** Whether `toRead` would not refuse it: for what an answer shows besides. */
  reads(request: FastifyRequest, stream: string, types?: readonly string[]): Promise<boolean>
  /**
   * @param types of all events that the request writes.
   * @param names by which a stream is known that does not exist yet; default: its own name, and that of its project for a job.
   * @throws {Problem} 403 `publish-not-granted`, whether the stream exists or not.
   */
  toPublish(
    request: FastifyRequest,
    stream: string,
    types: readonly string[],
    names?: readonly string[],
  ): Promise<StreamGrant>
  /** Whether `authorize` decides at run time. */
  readonly decides: boolean
  /**
   * Of the things that a route has found within the grants of the caller, those on whose streams decisions at run time allow
   * the action as well, in their order. Without `authorize`: all.
   * @param types that must be allowed, all of them.
   * @param namesOf the stream that is asked about, and its other names.
   * @throws {Problem} 503 `authorization-unavailable` without a decision on each.
   */
  decided<T>(
    request: FastifyRequest,
    action: StreamAction,
    types: readonly string[],
    found: readonly T[],
    namesOf: (one: T) => readonly [string, ...string[]],
  ): Promise<T[]>
}

type Asked = Omit<StreamUse, 'names'> & { readonly names?: readonly string[] | undefined }

export interface GrantsOptions {
  /** Decides at run time, beside role and grants, which must all agree. Default: nobody. */
  readonly authorize?: Authorize | undefined
}

export default fp<GrantsOptions>(
  async (app, { authorize }) => {
    const { guard, database } = app
    const decisions = authorize && new Decisions({ authorize, logger: app.log })
    app.addHook('onClose', async () => decisions?.close())

    app.addHook('onRoute', ({ method, url, config }) => {
      if (GRANT_KINDS.some(kind => kind === config?.grants)) return
      throw new Error(`${method} ${url} must declare config.grants: one of ${GRANT_KINDS.join(', ')}.`)
    })

    app.addHook('preHandler', async ({ caller, routeOptions }) => {
      if (routeOptions.config.grants === 'workspace' && caller && guard.current(caller).grants) {
        throw workspaceNotGranted()
      }
    })

    async function decide(principal: Principal, stream: string, use: Asked): Promise<StreamGrant> {
      const { grants, workspace } = guard.current(principal)
      // A question at run time names the project of a job.
      const isGranted = (name: string) => !decisions && (!grants || grants[use.action].matches(name))
      const names = use.names ?? (await namesOfStream(database, workspace, stream, isGranted))
      const named = { ...use, names }
      // Read again after each wait: they may have been narrowed meanwhile. What grants leave out is never asked about.
      const granted = grantOn(guard.current(principal).grants, named)
      if (!decisions) return granted
      const answered = await decisions.decide(principal, use.action, stream, projectIn(names))
      return grantOn(guard.current(principal).grants, named, answered)
    }

    async function isAllowed(principal: Principal, stream: string, use: Omit<Asked, 'refusal'>) {
      const refused = notFound('stream')
      try {
        await decide(principal, stream, { ...use, refusal: () => refused })
        return true
      } catch (error) {
        if (error === refused) return false
        throw error
      }
    }

    app.decorate('grants', {
      of: request => guard.current(request.principal).grants,
      toRead: ({ principal }, stream, what = 'stream', types = []) =>
        decide(principal, stream, { action: 'subscribe', types, refusal: () => notFound(what) }),
      reads: ({ principal }, stream, types = []) =>
        isAllowed(principal, stream, { action: 'subscribe', types }),
      toPublish: ({ principal }, stream, types, names) =>
        decide(principal, stream, { action: 'publish', types, names, refusal: publishNotGranted }),
      decides: decisions !== undefined,
      async decided({ principal }, action, types, found, namesOf) {
        if (!decisions) return [...found]
        const ask = (names: readonly [string, ...string[]]) =>
          isAllowed(principal, names[0], { action, types, names })
        const allowed = await Promise.all(found.map(one => ask(namesOf(one))))
        return found.filter((_, n) => allowed[n])
      },
    })
  },
  { name: 'grants', dependencies: ['access', 'database', 'request-caller'] },
)
