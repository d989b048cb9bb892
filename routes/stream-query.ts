/** How a stream is asked for: the query, the headers, and what they mean. docs/protocol.md is the source of truth. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Opening, StartAt } from '../src/hub/start.js'
import { type EventId, parseEventId } from '../src/log/event-id.js'
import { TypeFilter } from '../src/log/type-filter.js'
import { Problem } from '../src/problems/problem.js'
import { broughtId } from '../src/sse/brought-id.js'
import { type Encoding, sse, withNamedCursors } from '../src/sse/encoding.js'

const MAX_LAST = 10_000
const MAX_LIMIT = 1_000
const DEFAULT_LIMIT = 100
const MAX_WAIT_MS = 60_000
const JSON_FORM = 'application/json'
const LINES_FORM = 'application/x-ndjson'

const FORMS = [sse.contentType, LINES_FORM, JSON_FORM] as const

export const StreamQuery = Type.Object(
  {
    types: Type.Optional(
      Type.String({ maxLength: 4_096, description: 'Names, or prefixes that end in `*`, by commas.' }),
    ),
    token: Type.Optional(Type.String({ description: 'The JWT, for clients that cannot set headers.' })),
    ticket: Type.Optional(Type.String({ description: 'A stream ticket, for the same.' })),
    last_event_id: Type.Optional(
      Type.String({
        description:
          'As the header Last-Event-ID; also written `lastEventId`, `last-event-id` or `Last-Event-ID`. Live only.',
      }),
    ),
    envelope: Type.Optional(
      Type.Literal('message', {
        description:
          'Sends events and notices as unnamed messages, each the document of its NDJSON line. Live only.',
      }),
    ),
    cursors: Type.Optional(
      Type.Literal('named', {
        description: 'Moves the cursor by an event `cursor`, not by a block without data. Live only.',
      }),
    ),
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
export type StreamQuery = Static<typeof StreamQuery>

type EventPageQuery = Parameters<FastifyReply['sendEventPage']>[0]

const LIVE_ONLY = ['last_event_id', 'from', 'last', 'envelope', 'cursors'] as const
const PAGE_ONLY = ['after', 'limit', 'wait'] as const

/** How a stream looks live: as `text/event-stream` by the names of its events, or in envelopes, and as lines. */
export class LiveForms {
  readonly #lines: Encoding
  /** By `envelope`, then by `cursors`. */
  readonly #sse: readonly (readonly [Encoding, Encoding])[]

  constructor(named: Encoding, envelopes: Encoding, lines: Encoding) {
    this.#sse = [named, envelopes].map(encoding => [encoding, withNamedCursors(encoding)] as const)
    this.#lines = lines
  }

  /** Of the stream that a request opens; undefined where it asks for a page, or for a form that there is not. */
  readonly of = (request: FastifyRequest): Encoding | undefined => {
    const { limit, envelope, cursors }: { readonly [name: string]: unknown } = Object(request.query)
    const form = formOf(request)
    if (form === LINES_FORM) return limit === undefined ? this.#lines : undefined
    if (form !== sse.contentType) return undefined
    return this.#sse[Number(envelope === 'message')]?.[Number(cursors === 'named')]
  }
}

/** What is different on a live stream from the feed's. */
export interface Live {
  /** Where a client starts that says nothing else; default now. */
  readonly from?: StartAt
  /** What a client hears first that does not come back with an event id; not said as lines. */
  readonly opening?: (encoding: Encoding) => Promise<Opening>
}

/** Answers as the client asked: live as SSE or NDJSON, or with a page. */
export function answerWithStream(
  request: FastifyRequest,
  reply: FastifyReply,
  query: StreamQuery,
  stream: string,
  forms: LiveForms,
  live: Live = {},
): Promise<FastifyReply> {
  const encoding = forms.of(request)
  const filter = query.types === undefined ? undefined : TypeFilter.parse(query.types)
  if (!encoding) {
    const form = formOf(request)
    if (form !== JSON_FORM && form !== LINES_FORM) throw notAcceptable()
    return reply.sendEventPage({ stream, filter, form, ...pageOf(query) })
  }
  refuse(query, PAGE_ONLY, 'is for pages: ask for them with Accept: application/json.')
  const id = lastEventId(request)
  const from = id ?? startAt(query) ?? live.from ?? { at: 'now' }
  const opens = id === undefined && encoding.contentType === sse.contentType
  return reply.follow({ stream, encoding, filter, from, ...(opens && { opening: live.opening }) })
}

/** What the client asked for, if there is such a form; a client that takes anything gets the live stream. */
function formOf({ headers }: FastifyRequest): (typeof FORMS)[number] | undefined {
  const accept = headers.accept ?? '*/*'
  const form = FORMS.find(form => accept.includes(form))
  return form ?? (/\*\/\*|text\/\*/.test(accept) ? sse.contentType : undefined)
}

function notAcceptable(): Problem {
  return new Problem(406, 'not-acceptable', `Ask for one of ${FORMS.join(', ')} in Accept.`)
}

/** Where a client that comes back was. */
export function lastEventId(request: FastifyRequest): StartAt | undefined {
  const id = broughtId(request)
  return id === undefined ? undefined : { at: 'after', id: parseEventId(id) ?? 'unknown' }
}

function startAt({ from, last }: StreamQuery): StartAt | undefined {
  if (from === 'beginning' || from === 'now') return { at: from }
  if (from !== undefined) return { at: 'after', id: eventIdIn('from', from) }
  return last === undefined ? undefined : { at: 'newest', count: last }
}

function pageOf(query: StreamQuery): Pick<EventPageQuery, 'from' | 'limit' | 'waitMs'> {
  refuse(query, LIVE_ONLY, 'is for live streams: a page takes `after`.')
  const { after, limit = DEFAULT_LIMIT, wait } = query
  const beginning = after === undefined || after === 'beginning'
  const from = beginning
    ? ({ at: 'beginning' } as const)
    : ({ at: 'after', id: eventIdIn('after', after) } as const)
  return { from, limit, waitMs: milliseconds(wait) }
}

function eventIdIn(parameter: string, text: string): EventId {
  const id = parseEventId(text)
  if (id) return id
  throw new Problem(400, 'invalid-event-id', `\`${parameter}\` is not an event id, such as 10532.k7f3qa.`)
}

function milliseconds(wait: string | undefined): number {
  if (wait === undefined) return 0
  const ms = Number.parseInt(wait, 10) * (wait.endsWith('ms') ? 1 : 1_000)
  if (ms <= MAX_WAIT_MS) return ms
  throw new Problem(400, 'invalid-request', `\`wait\` is at most ${MAX_WAIT_MS / 1_000}s.`)
}

function refuse(query: StreamQuery, parameters: readonly (keyof StreamQuery)[], why: string): void {
  const given = parameters.find(parameter => query[parameter] !== undefined)
  if (given) throw new Problem(400, 'invalid-request', `\`${given}\` ${why}`)
}
