/**
 * Query parameters of a request that opens a stream. An EventSource stops for good at a 400, and its libraries and
 * the proxies in between add parameters of their own. So unknown parameters are ignored and named: in
 * `X-Sluice-Ignored`, and in the first `server.state` if the stream has one. All other requests stay strict.
 */
import fp from 'fastify-plugin'
import { ID_PARAMETERS } from '../src/sse/brought-id.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Names of ignored query parameters, safe for a header; undefined if there are none. */
    ignored: readonly string[] | undefined
  }
}

/** Maximum number of reported names; each is cut at MAX_NAME_LENGTH characters. */
const MAX_NAMES = 16
const MAX_NAME_LENGTH = 64
const NONE: ReadonlySet<string> = new Set()
/** Characters that must not get into a header: the caller chooses the names. */
const UNFIT = /[^A-Za-z0-9._~-]/g

export default fp(
  async app => {
    app.decorateRequest('ignored', undefined)

    // In preValidation, before the query is validated against the route's schema.
    app.addHook('preValidation', async (request, reply) => {
      const { config, schema } = request.routeOptions
      const known: object | undefined = Object(schema?.querystring).properties
      if (!known || !config.stream?.(request)) return
      const given = Object.entries(Object(request.query))
      // The server keeps the cursor of a consumer, so its client resumes after no id of its own.
      const ids = Object.hasOwn(known, 'last_event_id') ? ID_PARAMETERS : NONE
      const id = given.findLast(([name, value]) => ids.has(name) && value !== '')
      const taken = given.filter(([name]) => Object.hasOwn(known, name) && !ids.has(name))
      request.query = Object.fromEntries(id ? [...taken, ['last_event_id', id[1]]] : taken)

      const ignored = given
        .map(([name]) => name)
        .filter(name => !Object.hasOwn(known, name) && !ids.has(name))
      if (ids === NONE && request.headers['last-event-id']) ignored.push('Last-Event-ID')
      if (ignored.length === 0) return
      request.ignored = ignored.slice(0, MAX_NAMES).map(fit)
      reply.header('x-sluice-ignored', request.ignored.join(', '))
    })
  },
  { name: 'stream-parameters', dependencies: ['request-caller'] },
)

function fit(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH).replace(UNFIT, '?')
}
