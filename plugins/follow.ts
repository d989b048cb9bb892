/**
 * Decorates replies with `reply.follow(…)`, which sends a stream of the log live. Every streaming route in every
 * encoding uses it, so that resuming, refusing and ending are the same everywhere. src/hub/stream-admission.ts
 * decides; this plugin turns the decision into a response. event-pages.ts does the same for pages.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { reachOf } from '../src/auth/grants/reach.js'
import type { StreamGrant } from '../src/auth/grants/stream-grant.js'
import type { Role } from '../src/auth/principal.js'
import { flatText } from '../src/bytes/flat-text.js'
import { levelOf } from '../src/database/database-fault.js'
import type { ClientIdentity } from '../src/hub/client-identity.js'
import type { Cursor } from '../src/hub/cursor.js'
import { discontinuity } from '../src/hub/event-page.js'
import { admitStream, type StreamRefusal, type StreamRequest } from '../src/hub/stream-admission.js'
import { notFound, Problem } from '../src/problems/problem.js'
import { echoOfBroughtId } from '../src/sse/brought-id.js'
import { type Encoding, type Notice, sse } from '../src/sse/encoding.js'
import { Payload } from '../src/sse/payload.js'
import { retryMs } from '../src/sse/retry.js'

declare module 'fastify' {
  interface FastifyReply {
    follow(request: FollowRequest): Promise<FastifyReply>
  }
}

/**
 * Sent by a proxy that tries the next gateway when this one answers 502 (deploy/nginx.conf). A client would get `unavailable`, come back
 * after `retry`, and be led here again, because a stopping gateway has the fewest connections.
 */
const NEXT_UPSTREAM = 'x-sluice-next-upstream'

/** The stream belongs to the principal's workspace. */
export interface FollowRequest
  extends Pick<
    StreamRequest,
    'stream' | 'encoding' | 'from' | 'filter' | 'opening' | 'maxFollowers' | 'window'
  > {
  /** The API whose form the client uses; default `sluice`. */
  readonly dialect?: string
  /** The noun of a 404; default `stream`. */
  readonly what?: 'job' | undefined
  /** Finds the stream, once the request is charged to the client; default: it is `stream`, which may be another name until then. */
  readonly locate?: () => Promise<Located>
  /** Answers a client that has all of a stream that has ended; default: 204. */
  readonly atEnd?: ((end: Cursor) => FastifyReply) | undefined
  /** The request was charged to the client's rate limit already. */
  readonly isCharged?: true
  /** Types that the client's grants must include; default: none, and the client gets the events of granted types. */
  readonly types?: readonly string[]
}

export type Located = Pick<StreamRequest, 'stream' | 'filter'>

export default fp(
  async app => {
    app.decorateReply('follow', function (this: FastifyReply, request: FollowRequest) {
      return follow(app, this, request)
    })
  },
  {
    name: 'follow',
    dependencies: [
      'hub',
      'access',
      'grants',
      'sse',
      'request-caller',
      'rate-limit',
      'stream-slots',
      'memory',
      'stream-parameters',
    ],
  },
)

async function follow(
  app: FastifyInstance,
  reply: FastifyReply,
  followed: FollowRequest,
): Promise<FastifyReply> {
  const { request } = reply
  const { what = 'stream', types, dialect = 'sluice', locate, atEnd, isCharged, ...wanted } = followed
  const { encoding } = wanted
  const { principal, ignored } = request
  let located: Located = wanted
  let granted: StreamGrant | undefined
  const identity = (): ClientIdentity => ({
    workspace: principal.workspace,
    principal: principal.id,
    role: principal.role,
    credential: principal.credential.id,
    address: request.ip,
    requestId: flatText(request.id),
    stream: located.stream,
    dialect,
    encoding: encoding.name,
    wanted: located.filter,
    granted: granted?.within(undefined),
    consumer: wanted.window?.()?.consumer,
  })
  const refused = (reason: string, limit?: string) => app.hub.connections.refused(identity(), reason, limit)
  const streamRequest: StreamRequest = {
    ...wanted,
    ...reachOf(principal),
    broughtId: echoOfBroughtId(request),
    ignored,
    // Known once the client is authorized.
    get stream() {
      return located.stream
    },
    get filter() {
      return granted ? granted.within(located.filter) : located.filter
    },
    get client() {
      return identity()
    },
  }
  const admission = await admitStream(app.hub, streamRequest, {
    spendBudget: async () => isCharged || app.streamBudget(request),
    hasRoom: () => app.memory.state !== 'low',
    takeSlot: () => app.takeStreamSlot(request),
    async authorize() {
      if (locate) located = await locate()
      granted = await app.grants.toRead(request, located.stream, what, types).catch(error => {
        if (error instanceof Problem && error.status === 404) refused('not-granted')
        throw error
      })
    },
    permit: () => app.guard.admit(principal, rolesOf(reply), granted),
    openSink: () => reply.openSink(encoding.contentType),
  })
  switch (admission.outcome) {
    case 'following':
      return reply
    case 'not-found':
      refused('not-found')
      throw notFound(what)
    case 'ended':
      refused('ended')
      if (atEnd) return atEnd(admission.at)
      // Stops an EventSource for good (WHATWG HTML §9.2.3), because no further event can follow.
      return reply.code(204).send()
    case 'reset':
      if (encoding.endsAtReset) throw discontinuity(admission.reset)
      // The client then reconnects with the id of the stream's end, and gets the 204.
      return sayAndEnd(reply, encoding, { name: 'reset', data: admission.reset, id: admission.reset.head })
    case 'refused':
      app.hub.tally.refused[admission.reason] += 1
      refused(admission.reason, admission.limit)
      return refuse(reply, encoding, admission)
  }
}

/** The roles that may open the stream: renewed credentials must have one of them too. */
function rolesOf({ request }: FastifyReply): Role[] {
  return [request.routeOptions.config.access].flat().filter(role => role !== 'public')
}

/**
 * Any status except 200 would stop a browser's EventSource for good, so an event stream refuses with an event
 * instead.
 */
function refuse(reply: FastifyReply, encoding: Encoding, refusal: StreamRefusal): FastifyReply {
  const { reason, limit, database, error } = refusal
  // Closed, so that the proxy leads nothing else here.
  if (reason === 'draining' && reply.request.headers[NEXT_UPSTREAM]) {
    return reply.code(502).header('connection', 'close').send()
  }
  if (reason === 'held' && encoding.contentType !== sse.contentType) throw error
  // The log already has a line about an unavailable database.
  if (database) reply.request.log[levelOf(error)]({ err: error }, 'The stream could not be opened.')
  // A kept-alive connection holds memory and a descriptor, and it would lead the client's retry to the same full worker.
  const full = reason === 'memory' || reply.server.hub.refusal === 'limit'
  if (full && reply.request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
  const more = { ...(limit !== undefined && { limit }), ...(database !== undefined && { database }) }
  if (
    encoding.contentType !== sse.contentType ||
    (encoding.refusesByStatus && !isEventSource(reply.request))
  ) {
    const detail = `No stream can be opened now: ${reason}. Try again.`
    throw new Problem(503, 'stream-unavailable', detail, { retry_after: 2, ...more })
  }
  const id = echoOfBroughtId(reply.request)
  const data = { reason, ...more }
  return sayAndEnd(reply, encoding, { name: 'unavailable', data, ...(id !== undefined && { id }) })
}

/** Or a client that asks for the same, and takes its refusals. */
function isEventSource({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes(sse.contentType) ?? false
}

function sayAndEnd(reply: FastifyReply, encoding: Encoding, notice: Notice): FastifyReply {
  const sink = reply.openSink(encoding.contentType)
  const parts = [encoding.retry(retryMs()), encoding.notice(notice)]
  sink.write(Payload.of(parts.filter(part => part !== undefined)))
  sink.end()
  return reply
}
