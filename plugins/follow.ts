/**
 * Gives replies the two ways to read a stream of the log: `reply.follow(…)` live, `reply.sendEventPage(…)` a page.
 * Every route that shows a stream, in whatever encoding, answers through these, so that resuming, refusing and
 * ending are the same everywhere.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import type { Role } from '../src/auth/principal.js'
import { isDatabaseDown, notFound, Problem, unavailable } from '../src/errors.js'
import { FEED } from '../src/events/event.js'
import { findStream, readHead } from '../src/events/log.js'
import type { TypeFilter } from '../src/events/type-filter.js'
import { type EventPage, readEventPage } from '../src/hub/event-page.js'
import type { Lease } from '../src/hub/hub.js'
import { cursorId, type Opening, type Start, type StartAt } from '../src/hub/start.js'
import type { Encoding } from '../src/sse/encoding.js'
import { eventDocument } from '../src/sse/ndjson.js'
import { Payload } from '../src/sse/payload.js'
import { retryMs } from '../src/sse/retry.js'

declare module 'fastify' {
  interface FastifyReply {
    follow(request: FollowRequest): Promise<FastifyReply>
    sendEventPage(request: EventPageQuery): Promise<FastifyReply>
  }
}

export interface FollowRequest {
  /** Of the principal's workspace. */
  readonly stream: string
  readonly encoding: Encoding
  readonly from: StartAt
  readonly filter?: TypeFilter | undefined
  /** Reads what is said before the events; called for a client that may come in. What it throws is the answer. */
  readonly opening?: (() => Promise<Opening>) | undefined
  /** Clients that may follow this stream in this process; default: no limit but the process's own. */
  readonly maxFollowers?: number
}

export interface EventPageQuery {
  readonly stream: string
  readonly from: StartAt
  readonly limit: number
  readonly waitMs: number
  readonly filter: TypeFilter | undefined
  readonly form: 'application/json' | 'application/x-ndjson'
}

type Refusal = 'draining' | 'limit' | 'database'

export default fp(
  async app => {
    app.decorateReply('follow', function (this: FastifyReply, request: FollowRequest) {
      return follow(app, this, request)
    })
    app.decorateReply('sendEventPage', function (this: FastifyReply, query: EventPageQuery) {
      return sendEventPage(app, this, query)
    })
  },
  { name: 'follow', dependencies: ['hub', 'sse', 'auth', 'rate-limit'] },
)

async function follow(
  app: FastifyInstance,
  reply: FastifyReply,
  request: FollowRequest,
): Promise<FastifyReply> {
  const { stream, encoding, filter, opening, maxFollowers = Number.POSITIVE_INFINITY } = request
  const { principal } = reply.request
  const { workspace } = principal
  const refusal = app.hub.refusal ?? ((await app.streamBudget(reply.request)) ? undefined : 'limit')
  if (refusal) return refuseSoftly(reply, encoding, refusal)
  // Asked before the opening is read, and again when there is nothing left to wait for.
  if ((await app.hub.followers(workspace, stream)) >= maxFollowers)
    return refuseSoftly(reply, encoding, 'limit')
  let lease: Lease | undefined
  try {
    const { frames, from = request.from } = (await opening?.()) ?? { frames: [] }
    lease = await open(app, reply, stream)
    const start = await app.hub.starts.resolve(lease.stream, from, filter)
    if (await isAtItsEnd(app, reply, stream, lease, start)) {
      lease.release()
      // Stops an EventSource for good (WHATWG HTML §9.2.3): nothing can come any more.
      return start.reset ? tellReset(reply, encoding, start.reset) : reply.code(204).send()
    }
    if (lease.stream.followers.size >= maxFollowers) {
      lease.release()
      return refuseSoftly(reply, encoding, 'limit')
    }
    const sink = reply.openSink(encoding.contentType)
    const access = rolesOf(reply)
    app.hub.subscribe({ lease, start, sink, encoding, filter, principal, access, opening: frames })
    return reply
  } catch (error) {
    lease?.release()
    if (isDatabaseDown(error)) return refuseSoftly(reply, encoding, 'database')
    throw error
  }
}

async function sendEventPage(
  app: FastifyInstance,
  reply: FastifyReply,
  query: EventPageQuery,
): Promise<FastifyReply> {
  if (!(await app.streamBudget(reply.request))) throw rateLimited()
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const lease = await open(app, reply, query.stream)
  try {
    const { cursor, reset } = await app.hub.starts.resolve(lease.stream, query.from)
    if (reset) throw discontinuity(reset)
    const { limit, filter, waitMs, form } = query
    const page = await readEventPage(app.database, lease.stream, {
      ...{ after: cursor, limit, filter, waitMs, signal: gone.signal },
    })
    return reply.type(form).send(form === 'application/json' ? documentOf(page) : linesOf(page))
  } finally {
    lease.release()
  }
}

/** One of which opens the stream: so that newer credentials are held to the same. */
function rolesOf({ request }: FastifyReply): Role[] {
  return [request.routeOptions.config.access].flat().filter(role => role !== 'public')
}

async function open(app: FastifyInstance, reply: FastifyReply, stream: string): Promise<Lease> {
  const lease = await app.hub.open(reply.request.principal.workspace, stream)
  if (!lease) throw notFound('stream')
  return lease
}

/**
 * Of a stream that has an end what was read when it was opened may be old: it is asked for again. Its head too, and after
 * that: the tailer may not have brought the last events yet, and the client is not to be sent away without them.
 */
async function isAtItsEnd(
  app: FastifyInstance,
  reply: FastifyReply,
  name: string,
  { stream }: Lease,
  { cursor }: Start,
): Promise<boolean> {
  if (cursor.position < stream.head.position) return false
  if (stream.closed || stream.kind === FEED) return stream.closed
  const found = await findStream(app.database, reply.request.principal.workspace, name)
  if (!found || found.closedAt === null) return false
  return cursor.position >= (await readHead(app.database, found.id)).position
}

/** Any status but 200 would stop a browser's EventSource for ever, so being busy is told inside the stream. */
function refuseSoftly(reply: FastifyReply, encoding: Encoding, reason: Refusal): FastifyReply {
  const retry = encoding.retry(retryMs())
  const notice = encoding.notice({ name: 'unavailable', data: { reason } })
  if (!retry || !notice) {
    throw unavailable('stream-unavailable', `No stream can be opened now: ${reason}. Try again.`)
  }
  return sayAndEnd(reply, encoding, [retry, notice])
}

/** At the end of a stream there is nothing left to say but that: the client comes back with the id of the end. */
function tellReset(
  reply: FastifyReply,
  encoding: Encoding,
  reset: NonNullable<Start['reset']>,
): FastifyReply {
  const notice = encoding.notice({ name: 'reset', data: reset, id: reset.head })
  return sayAndEnd(reply, encoding, [encoding.retry(retryMs()), notice])
}

function sayAndEnd(
  reply: FastifyReply,
  encoding: Encoding,
  parts: readonly (Buffer | undefined)[],
): FastifyReply {
  const sink = reply.openSink(encoding.contentType)
  const said = parts.filter(part => part !== undefined)
  if (said.length > 0) sink.write(Payload.of(said))
  sink.end()
  return reply
}

function rateLimited(): Problem {
  const detail = 'You have asked too often within a minute. Follow the stream, or ask with `wait`.'
  return new Problem(429, 'rate-limited', detail, { retryAfter: 60 })
}

function discontinuity(reset: NonNullable<Start['reset']>): Problem {
  const detail = 'The log does not go on after this event. Load your state again, then follow from `head`.'
  return new Problem(410, reset.reason, detail, { earliest: reset.earliest, head: reset.head })
}

/** Written, not stringified: the data of each event goes out as it is stored. */
function documentOf({ events, next, head }: EventPage): string {
  const documents = events.map(eventDocument).join(',')
  return `{"events":[${documents}],"next":"${cursorId(next)}","head":"${cursorId(head)}"}`
}

function linesOf({ events }: EventPage): string {
  return events.map(event => `${eventDocument(event)}\n`).join('')
}
