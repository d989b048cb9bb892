/** The query and headers of a stream request, and their meaning. docs/protocol.md is the source of truth. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { NDJSON } from '../src/bytes/media-type.js'
import type { Opening, StartAt } from '../src/hub/start.js'
import { jobOfStream } from '../src/jobs/job.js'
import { CLOUDEVENT_BATCH } from '../src/log/cloudevents.js'
import { EventFilter } from '../src/log/event-filter.js'
import { parseEventId } from '../src/log/event-id.js'
import { FORM } from '../src/openapi/described.js'
import { Problem } from '../src/problems/problem.js'
import { broughtId } from '../src/sse/brought-id.js'
import { ndjsonCloudEvents, sseCloudEvents } from '../src/sse/cloudevents.js'
import { type Encoding, sse, withNamedCursors } from '../src/sse/encoding.js'
import { DELETED, DeletedTypes, KEY, Key, Types, Where } from './event-selection.js'
import { assertVisible } from './job-visibility.js'
import { LATEST_BY_KEY, pageStart, startAt } from './stream-start.js'

const MAX_LAST = 10_000
const MAX_LIMIT = 1_000
export const DEFAULT_LIMIT = 100
const MAX_WAIT_MS = 60_000
const JSON_FORM = 'application/json'

const FORMS = [sse.contentType, NDJSON, JSON_FORM, CLOUDEVENT_BATCH] as const

const BY_KEY_ONLY = 'With `from=latest-by-key` only.'

export const StreamQuery = Type.Object(
  {
    types: Type.Optional(Types),
    where: Type.Optional(Where),
    token: Type.Optional(Type.String({ description: 'A JWT, for clients that cannot set headers.' })),
    ticket: Type.Optional(
      Type.String({ description: 'A stream ticket, for clients that cannot set headers.' }),
    ),
    last_event_id: Type.Optional(
      Type.String({
        description:
          'The same as the header Last-Event-ID; also accepted as `lastEventId`, `last-event-id` or `Last-Event-ID`. Live only.',
      }),
    ),
    envelope: Type.Optional(
      Type.Enum(['message', 'cloudevents'], {
        description:
          '`message` sends events and notices as unnamed messages; the data of each is its NDJSON line. `cloudevents` sends events as CloudEvents: unnamed messages, or lines of NDJSON. Live only.',
      }),
    ),
    cursors: Type.Optional(
      Type.Literal('named', {
        description: 'Moves the cursor with an event `cursor` instead of a block without data. Live only.',
      }),
    ),
    from: Type.Optional(
      Type.String({
        description:
          'Where to start: `beginning`, `now`, `latest-by-key` (the newest event of each key; live only), after this event id, or with the first event of this time, such as 2026-01-31T12:00:00Z, or later.',
      }),
    ),
    key: Type.Optional({ ...Key, description: `${KEY} ${BY_KEY_ONLY}` }),
    deleted: Type.Optional({ ...DeletedTypes, description: `${DELETED} ${BY_KEY_ONLY}` }),
    last: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_LAST,
        description: 'Starts with this many of the newest events. Live only.',
      }),
    ),
    after: Type.Optional(
      Type.String({ description: 'Starts after this event id; default: the beginning. Pages only.' }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_LIMIT,
        description: 'The most events on the page; default 100.',
      }),
    ),
    wait: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,6}(ms|s)$',
        [FORM]: 'a duration such as 500ms or 30s',
        description:
          'How long to wait for the first event, such as `500ms` or `30s`; at most `60s`. Pages only.',
      }),
    ),
  },
  { additionalProperties: false },
)
export type StreamQuery = Static<typeof StreamQuery>

type EventPageQuery = Parameters<FastifyReply['sendEventPage']>[0]

const LIVE_ONLY = ['last_event_id', 'key', 'deleted', 'last', 'envelope', 'cursors'] as const
export const PAGE_ONLY = ['after', 'limit', 'wait'] as const

/** The encodings of a live stream: `text/event-stream` with named events or in envelopes, and lines. */
export class LiveForms {
  readonly #lines: Encoding
  /** Indexed by `envelope`, then by `cursors`. */
  readonly #sse: readonly (readonly [Encoding, Encoding])[]

  /** @param ending what encodings of a stream with an end add to others. */
  constructor(
    named: Encoding,
    envelopes: Encoding,
    lines: Encoding,
    readonly ending: Pick<Encoding, 'closing'> = {},
  ) {
    this.#sse = [named, envelopes].map(encoding => [encoding, withNamedCursors(encoding)] as const)
    this.#lines = lines
  }

  /**
   * The encoding that a request asks for; undefined for a page, and for a media type that the route does not have.
   * @param source of events that were not published as CloudEvents.
   */
  readonly of = (request: FastifyRequest, source = ''): Encoding | undefined => {
    const { limit, envelope, cursors }: { readonly [name: string]: unknown } = Object(request.query)
    const form = formOf(request)
    if (form === NDJSON && limit !== undefined) return undefined
    if (form !== NDJSON && form !== sse.contentType) return undefined
    if (envelope === 'cloudevents') {
      const cloudEvents = form === NDJSON ? ndjsonCloudEvents(source) : sseCloudEvents(source)
      const encoding = { ...cloudEvents, ...this.ending }
      return cursors === 'named' && form !== NDJSON ? withNamedCursors(encoding) : encoding
    }
    if (form === NDJSON) return this.#lines
    return this.#sse[Number(envelope === 'message')]?.[Number(cursors === 'named')]
  }
}

/** How a live stream differs from the feed's. */
export interface Live {
  /** Where a client starts unless it says otherwise; default `now`. */
  readonly from?: StartAt
  /** Sent first to a client that does not resume after an event id; not in lines. It checks the visibility of a job. */
  readonly opening?: (encoding: Encoding) => Promise<Opening>
  /** The noun of a 404; default `stream`. */
  readonly what?: 'job'
}

/** Answers in the form that the client accepts: live as SSE or NDJSON, or with a page. A job is checked for its visibility. */
export async function answerWithStream(
  request: FastifyRequest,
  reply: FastifyReply,
  query: StreamQuery,
  stream: string,
  forms: LiveForms,
  live: Live = {},
): Promise<FastifyReply> {
  const source = request.server.cloudEventSource(request.principal.workspace, stream)
  const encoding = forms.of(request, source)
  const filter = EventFilter.of(query)
  if (!encoding) {
    const form = formOf(request)
    if (form === undefined || form === sse.contentType) throw notAcceptable()
    await assertVisible(request, stream, live.what)
    return reply.sendEventPage({ stream, filter, form, what: live.what, ...pageOf(query) })
  }
  refuse(query, PAGE_ONLY, 'is for pages. Request a page with Accept: application/json, or leave it out.')
  if (query.from !== LATEST_BY_KEY)
    refuse(query, ['key', 'deleted'], 'belongs to `from=latest-by-key`. Add that, or leave it out.')
  const id = lastEventId(request)
  const from = id ?? startAt(query) ?? live.from ?? { at: 'now' }
  const opens = id === undefined && encoding.contentType === sse.contentType
  const check = async () => {
    await assertVisible(request, stream, live.what)
    return { frames: [] }
  }
  const opening = (opens && live.opening) || (jobOfStream(stream) === undefined ? undefined : check)
  return reply.follow({ stream, encoding, filter, from, what: live.what, ...(opening && { opening }) })
}

/** The form that the client accepts; a client that accepts any gets the live stream. Undefined: there is none. */
export function formOf({ headers }: FastifyRequest): (typeof FORMS)[number] | undefined {
  const accept = headers.accept ?? '*/*'
  const form = FORMS.find(form => accept.includes(form))
  return form ?? (/\*\/\*|text\/\*/.test(accept) ? sse.contentType : undefined)
}

export function notAcceptable(): Problem {
  return new Problem(
    406,
    'not-acceptable',
    `The client accepts none of the forms of this route. Send one of ${FORMS.join(', ')} in Accept.`,
  )
}

/** The place after which a returning client resumes. */
export function lastEventId(request: FastifyRequest): StartAt | undefined {
  const id = broughtId(request)
  return id === undefined ? undefined : { at: 'after', id: parseEventId(id) ?? 'unknown' }
}

function pageOf(query: StreamQuery): Pick<EventPageQuery, 'from' | 'limit' | 'waitMs'> {
  refuse(query, LIVE_ONLY, 'is for live streams. Use `from` or `after` for a page.')
  const { limit = DEFAULT_LIMIT, wait } = query
  return { from: pageStart(query), limit, waitMs: milliseconds(wait) }
}

export function milliseconds(wait: string | undefined): number {
  if (wait === undefined) return 0
  const ms = Number.parseInt(wait, 10) * (wait.endsWith('ms') ? 1 : 1_000)
  if (ms <= MAX_WAIT_MS) return ms
  throw new Problem(400, 'invalid-request', `\`wait\` is longer than ${MAX_WAIT_MS / 1_000}s. Shorten it.`)
}

export function refuse<Query extends object>(
  query: Query,
  parameters: readonly (keyof Query & string)[],
  why: string,
): void {
  const given = parameters.find(parameter => query[parameter] !== undefined)
  if (given) throw new Problem(400, 'invalid-request', `\`${given}\` ${why}`)
}
