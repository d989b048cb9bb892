/**
 * Gives replies the two ways to read a stream of the log: `reply.follow(…)` live, `reply.sendEventPage(…)` a page.
 * Every route that shows a stream, in whatever encoding, answers through these, so that resuming, refusing and
 * ending are the same everywhere.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { isDatabaseDown, notFound, Problem, unavailable } from '../src/errors.js'
import { FEED } from '../src/events/event.js'
import { findStream } from '../src/events/log.js'
import type { TypeFilter } from '../src/events/type-filter.js'
import { type EventPage, readEventPage } from '../src/hub/event-page.js'
import type { Lease } from '../src/hub/hub.js'
import { cursorId, type Start, type StartAt } from '../src/hub/start.js'
import { retryMs } from '../src/hub/subscription.js'
import type { Encoding } from '../src/sse/encoding.js'
import { eventDocument } from '../src/sse/ndjson.js'
import { Payload } from '../src/sse/payload.js'

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
  /** Said before the events. */
  readonly opening?: readonly Buffer[]
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
  const { encoding, filter, from, opening, maxFollowers = Number.POSITIVE_INFINITY } = request
  const refusal = app.hub.refusal ?? ((await app.streamBudget(reply.request)) ? undefined : 'limit')
  if (refusal) return refuseSoftly(reply, encoding, refusal)
  let lease: Lease | undefined
  try {
    lease = await open(app, reply, request.stream)
    const start = await app.hub.starts.resolve(lease.stream, from, filter)
    if (await isAtItsEnd(app, reply, request.stream, lease, start)) {
      lease.release()
      // Stops an EventSource for good (WHATWG HTML §9.2.3): nothing can come any more.
      return reply.code(204).send()
    }
    if (lease.stream.followers.size >= maxFollowers) {
      lease.release()
      return refuseSoftly(reply, encoding, 'limit')
    }
    const sink = reply.openSink(encoding.contentType)
    const { expiresAt } = reply.request.principal
    app.hub.subscribe({ lease, start, sink, encoding, filter, expiresAt, ...(opening && { opening }) })
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

async function open(app: FastifyInstance, reply: FastifyReply, stream: string): Promise<Lease> {
  const lease = await app.hub.open(reply.request.principal.workspace, stream)
  if (!lease) throw notFound('stream')
  return lease
}

/** Of a stream that has an end what was read when it was opened may be old: it is asked for again. */
async function isAtItsEnd(
  app: FastifyInstance,
  reply: FastifyReply,
  name: string,
  { stream }: Lease,
  { cursor, reset }: Start,
): Promise<boolean> {
  if (reset || cursor.position < stream.head.position) return false
  if (stream.closed || stream.kind === FEED) return stream.closed
  const found = await findStream(app.database, reply.request.principal.workspace, name)
  return found !== undefined && found.closedAt !== null
}

/** Any status but 200 would stop a browser's EventSource for ever, so being busy is told inside the stream. */
function refuseSoftly(reply: FastifyReply, encoding: Encoding, reason: Refusal): FastifyReply {
  const retry = encoding.retry(retryMs())
  const notice = encoding.notice({ name: 'unavailable', data: { reason } })
  if (!retry || !notice) {
    throw unavailable('stream-unavailable', `No stream can be opened now: ${reason}. Try again.`)
  }
  const sink = reply.openSink(encoding.contentType)
  sink.write(Payload.of([retry, notice]))
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
