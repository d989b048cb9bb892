/**
 * GET /api/events: one log in three forms. `text/event-stream` and `application/x-ndjson` follow it live;
 * `application/json`, and NDJSON with `limit`, are a page of it. docs/protocol.md is the source of truth.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { isDatabaseDown, notFound, Problem, unavailable } from '../src/errors.js'
import { FEED, StreamName } from '../src/events/event.js'
import { parseEventId } from '../src/events/event-id.js'
import { TypeFilter } from '../src/events/type-filter.js'
import { type EventPage, readEventPage } from '../src/hub/event-page.js'
import type { Lease } from '../src/hub/hub.js'
import { cursorId, type Start, type StartAt } from '../src/hub/start.js'
import { retryMs } from '../src/hub/subscription.js'
import { type Encoding, sse } from '../src/sse/encoding.js'
import { eventDocument, ndjson } from '../src/sse/ndjson.js'
import { Payload } from '../src/sse/payload.js'

const MAX_LAST = 10_000
const MAX_LIMIT = 1_000
const DEFAULT_LIMIT = 100
const MAX_WAIT_MS = 60_000
const JSON_TYPE = 'application/json'

const Query = Type.Object(
  {
    stream: Type.Optional({ ...StreamName, description: 'Default: the feed of the workspace.' }),
    types: Type.Optional(
      Type.String({ maxLength: 4_096, description: 'Names, or prefixes that end in `*`, by commas.' }),
    ),
    token: Type.Optional(Type.String({ description: 'The JWT, for clients that cannot set headers.' })),
    last_event_id: Type.Optional(Type.String({ description: 'As the header Last-Event-ID. Live only.' })),
    from: Type.Optional(
      Type.String({ description: '`beginning`, `now` or an event id to start after. Live only.' }),
    ),
    last: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_LAST,
        description: 'Start with the newest so many. Live only.',
      }),
    ),
    after: Type.Optional(Type.String({ description: 'An event id; default: the beginning. Pages only.' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: 'Events on the page, default 100.' }),
    ),
    wait: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,6}(ms|s)$',
        description: 'How long to wait for the first event, up to `60s`. Pages only.',
      }),
    ),
  },
  { additionalProperties: false },
)
type Query = Static<typeof Query>
type FeedRequest = FastifyRequest<{ Querystring: Query }>

const LIVE_ONLY = ['last_event_id', 'from', 'last'] as const
const PAGE_ONLY = ['after', 'limit', 'wait'] as const

const feed: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/events',
    {
      config: { access: 'viewer', stream: true },
      schema: {
        tags: ['events'],
        summary: 'Follow the events of a stream, or read a page of them',
        produces: [sse.contentType, ndjson.contentType, JSON_TYPE],
        querystring: Query,
      },
    },
    (request, reply) => {
      const form = formOf(request)
      if (form === JSON_TYPE || request.query.limit !== undefined) return sendPage(request, reply, form)
      return follow(request, reply, form === ndjson.contentType ? ndjson : sse)
    },
  )

  async function follow(request: FeedRequest, reply: FastifyReply, encoding: Encoding) {
    refuse(request.query, PAGE_ONLY, 'is for pages: ask for them with Accept: application/json.')
    const filter = filterOf(request.query)
    const from = startAt(request)
    const refusal = app.hub.refusal ?? ((await app.streamBudget(request)) ? undefined : 'limit')
    if (refusal) return refuseSoftly(reply, encoding, refusal)
    let lease: Lease | undefined
    try {
      lease = await open(request)
      const start = await app.hub.starts.resolve(lease.stream, from, filter)
      if (isAtItsEnd(lease, start)) {
        lease.release()
        return reply.code(204).send()
      }
      const sink = reply.openSink(encoding.contentType)
      const { expiresAt } = request.principal
      app.hub.subscribe({ lease, start, sink, encoding, filter, expiresAt })
      return reply
    } catch (error) {
      lease?.release()
      if (isDatabaseDown(error)) return refuseSoftly(reply, encoding, 'database')
      throw error
    }
  }

  async function sendPage(request: FeedRequest, reply: FastifyReply, form: string) {
    refuse(request.query, LIVE_ONLY, 'is for live streams: a page takes `after`.')
    const { limit = DEFAULT_LIMIT, after, wait } = request.query
    const filter = filterOf(request.query)
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    if (!(await app.streamBudget(request))) throw rateLimited()
    const lease = await open(request)
    try {
      const { cursor, reset } = await app.hub.starts.resolve(lease.stream, pageStart(after))
      if (reset) throw discontinuity(reset)
      const page = await readEventPage(app.database, lease.stream, {
        ...{ after: cursor, limit, filter, waitMs: milliseconds(wait), signal: gone.signal },
      })
      return reply.type(form).send(form === JSON_TYPE ? documentOf(page) : linesOf(page))
    } finally {
      lease.release()
    }
  }

  async function open(request: FeedRequest): Promise<Lease> {
    const lease = await app.hub.open(request.principal.workspace, request.query.stream ?? FEED)
    if (!lease) throw notFound('stream')
    return lease
  }
}

export default feed

/** What the client asked for; a client that takes anything gets the live stream. */
function formOf(request: FastifyRequest): string {
  const accept = request.headers.accept ?? '*/*'
  const forms = [sse.contentType, ndjson.contentType, JSON_TYPE]
  const form =
    forms.find(form => accept.includes(form)) ??
    (/\*\/\*|text\/\*/.test(accept) ? sse.contentType : undefined)
  if (form) return form
  throw new Problem(406, 'not-acceptable', `Ask for one of ${forms.join(', ')} in Accept.`)
}

/** The client's own id wins over what the page's author wrote into the URL: on a reconnect both are there. */
function startAt({ headers, query }: FeedRequest): StartAt {
  const id = headers['last-event-id'] || query.last_event_id
  if (typeof id === 'string' && id !== '') return { at: 'after', id: parseEventId(id) ?? 'unknown' }
  if (query.from === 'beginning' || query.from === 'now') return { at: query.from }
  if (query.from !== undefined) return { at: 'after', id: eventIdIn('from', query.from) }
  return query.last === undefined ? { at: 'now' } : { at: 'newest', count: query.last }
}

function pageStart(after: string | undefined): StartAt {
  if (after === undefined || after === 'beginning') return { at: 'beginning' }
  return { at: 'after', id: eventIdIn('after', after) }
}

function eventIdIn(parameter: string, text: string) {
  const id = parseEventId(text)
  if (id) return id
  throw new Problem(400, 'invalid-event-id', `\`${parameter}\` is not an event id, such as 10532.k7f3qa.`)
}

function filterOf({ types }: Query): TypeFilter | undefined {
  return types === undefined ? undefined : TypeFilter.parse(types)
}

function milliseconds(wait: string | undefined): number {
  if (wait === undefined) return 0
  const ms = Number.parseInt(wait, 10) * (wait.endsWith('ms') ? 1 : 1_000)
  if (ms <= MAX_WAIT_MS) return ms
  throw new Problem(400, 'invalid-request', `\`wait\` is at most ${MAX_WAIT_MS / 1_000}s.`)
}

function refuse(query: Query, parameters: readonly (keyof Query)[], why: string): void {
  const given = parameters.find(parameter => query[parameter] !== undefined)
  if (given) throw new Problem(400, 'invalid-request', `\`${given}\` ${why}`)
}

/** Nothing can come any more: 204 stops an EventSource for good (WHATWG HTML §9.2.3). */
function isAtItsEnd({ stream }: Lease, { cursor, reset }: Start): boolean {
  return stream.closed && !reset && cursor.position >= stream.head.position
}

/** Any status but 200 would stop a browser's EventSource for ever, so being busy is told inside the stream. */
function refuseSoftly(reply: FastifyReply, encoding: Encoding, reason: 'draining' | 'limit' | 'database') {
  const retry = encoding.retry(retryMs())
  if (!retry) throw unavailable('stream-unavailable', `No stream can be opened now: ${reason}. Try again.`)
  const sink = reply.openSink(encoding.contentType)
  sink.write(Payload.of([retry, encoding.notice({ name: 'unavailable', data: { reason } })]))
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
