/**
 * Decorates replies with `reply.follow(…)`, which sends a stream of the log live. Every streaming route in every
 * encoding uses it, so that resuming, refusing and ending are the same everywhere. src/hub/stream-admission.ts
 * decides; this plugin turns the decision into a response. event-pages.ts does the same for pages.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Role } from '../src/auth/principal.js'
import { levelOf } from '../src/database/database-fault.js'
import { discontinuity } from '../src/hub/event-page.js'
import { admitStream, type StreamHost, type StreamRefusal } from '../src/hub/stream-admission.js'
import { notFound, Problem } from '../src/problems/problem.js'
import { echoOfBroughtId } from '../src/sse/brought-id.js'
import { type Encoding, type Notice, sse } from '../src/sse/encoding.js'
import { Payload } from '../src/sse/payload.js'
import { retryMs } from '../src/sse/retry.js'
import { FollowedStream, type FollowRequest } from './followed-stream.js'

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
  const { what = 'stream', atEnd, encoding } = followed
  const host = new ReplyHost(app, reply, followed)
  const admission = await admitStream(app.hub, host.wanted, host)
  switch (admission.outcome) {
    case 'following':
      return reply
    case 'not-found':
      host.refused('not-found')
      throw notFound(what)
    case 'ended':
      host.refused('ended')
      if (atEnd) return atEnd(admission.at)
      // Stops an EventSource for good (WHATWG HTML §9.2.3), because no further event can follow.
      return reply.code(204).send()
    case 'gone':
      host.refused('client')
      return reply.hijack()
    case 'reset':
      if (encoding.endsAtReset) throw discontinuity(admission.reset)
      // The client then reconnects with the id of the stream's end, and gets the 204.
      return sayAndEnd(reply, encoding, { name: 'reset', data: admission.reset, id: admission.reset.head })
    case 'refused':
      app.hub.tally.refused[admission.reason] += 1
      host.refused(admission.reason, admission.limit)
      return refuse(reply, encoding, admission)
  }
}

/** An object without closures, because thousands of clients that come back wait together, each with one. */
class ReplyHost implements StreamHost {
  readonly wanted: FollowedStream
  readonly #app: FastifyInstance
  readonly #reply: FastifyReply
  readonly #followed: FollowRequest

  constructor(app: FastifyInstance, reply: FastifyReply, followed: FollowRequest) {
    this.wanted = new FollowedStream(reply, followed, reply.request.ignored)
    this.#app = app
    this.#reply = reply
    this.#followed = followed
  }

  async spendBudget(): Promise<boolean> {
    return this.#followed.isCharged || this.#app.streamBudget(this.#reply.request)
  }

  hasRoom(): boolean {
    return this.#app.memory.state !== 'low'
  }

  takeSlot() {
    return this.#app.takeStreamSlot(this.#reply.request)
  }

  async authorize(): Promise<void> {
    const { locate, what = 'stream', types } = this.#followed
    const { wanted } = this
    if (locate) wanted.located = await locate()
    try {
      wanted.granted = await this.#app.grants.toRead(this.#reply.request, wanted.stream, what, types)
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.refused('not-granted')
      throw error
    }
  }

  permit() {
    return this.#app.guard.admit(this.#reply.request.principal, rolesOf(this.#reply), this.wanted.granted)
  }

  openSink() {
    return this.#reply.openSink(this.#followed.encoding.contentType)
  }

  /** Notes the refusal for the admins. */
  refused(reason: string, limit?: string): void {
    this.#app.hub.connections.refused(this.wanted.client, reason, limit)
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

/** Whether the client is an EventSource, or asks for the same and so takes refusals in the same form. */
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
