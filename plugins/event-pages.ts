/**
 * Decorates replies with `reply.sendEventPage(…)`, which sends a page of a stream: at once, or when the first event
 * arrives (a long poll).
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { reachOf } from '../src/auth/grants/reach.js'
import type { StreamGrant } from '../src/auth/grants/stream-grant.js'
import { disconnectSignal } from '../src/http/client-disconnect.js'
import { cursorId } from '../src/hub/cursor.js'
import { discontinuity, type EventPage, findEventPage } from '../src/hub/event-page.js'
import type { StartAt } from '../src/hub/start.js'
import { tooManyStreams } from '../src/limits/stream-slots.js'
import { CLOUDEVENT_BATCH } from '../src/log/cloudevents.js'
import type { EventFilter } from '../src/log/event-filter.js'
import { notFound } from '../src/problems/problem.js'
import { cloudEventDocument } from '../src/sse/cloudevents.js'
import { eventDocument } from '../src/sse/ndjson.js'

declare module 'fastify' {
  interface FastifyReply {
    sendEventPage(query: EventPageQuery): Promise<FastifyReply>
  }
}

/** How long a client waits for a page; `signal` ends the wait, and `gone` all work for it. */
export interface Waiting {
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly gone: AbortSignal
}

export interface EventPageQuery {
  readonly stream: string
  readonly from: StartAt
  readonly limit: number
  readonly waitMs: number
  readonly filter: EventFilter | undefined
  readonly form: 'application/json' | 'application/x-ndjson' | typeof CLOUDEVENT_BATCH
  /** The noun of a 404; default `stream`. */
  readonly what?: 'job' | undefined
}

export default fp(
  async app => {
    app.decorateReply('sendEventPage', function (this: FastifyReply, query: EventPageQuery) {
      return sendEventPage(app, this, query)
    })
  },
  {
    name: 'event-pages',
    dependencies: [
      'hub',
      'access',
      'grants',
      'request-caller',
      'database',
      'rate-limit',
      'stream-slots',
      'memory',
      'cloudevents',
    ],
  },
)

async function sendEventPage(
  app: FastifyInstance,
  reply: FastifyReply,
  query: EventPageQuery,
): Promise<FastifyReply> {
  return await admitPage(app, reply, query.waitMs, () => sendEventPageIn(app, reply, query))
}

/** Charges a page to its caller. One that waits holds as many resources as a live stream, and so a slot, until `send` resolves. */
export async function admitPage(
  app: FastifyInstance,
  reply: FastifyReply,
  waitMs: number,
  send: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  await app.spendBudget(reply.request, reply)
  app.memory.assertRoom()
  const slot = waitMs > 0 ? app.takeStreamSlot(reply.request) : undefined
  if (typeof slot === 'string') throw tooManyStreams(slot)
  try {
    return await send()
  } finally {
    slot?.release()
  }
}

/**
 * Reads a page, for which the client may wait `askedMs`, as long as it is there and its credentials are good. The wait ends when the
 * credentials end, as a stream does.
 */
export async function readWaiting<T>(
  app: FastifyInstance,
  { request: { principal }, raw }: FastifyReply,
  askedMs: number,
  granted: StreamGrant,
  read: (waiting: Waiting) => Promise<T>,
): Promise<T> {
  const waitMs = Math.max(0, Math.min(askedMs, principal.expiresAt - Date.now()))
  const gone = disconnectSignal(raw)
  return await app.guard.whileGood(principal, gone, signal => read({ waitMs, signal, gone }), granted)
}

async function sendEventPageIn(
  app: FastifyInstance,
  reply: FastifyReply,
  query: EventPageQuery,
): Promise<FastifyReply> {
  const { principal } = reply.request
  const { form, waitMs: askedMs, what = 'stream', ...request } = query
  const granted = await app.grants.toRead(reply.request, query.stream, what)
  const filter = granted.within(query.filter)
  const { workspace } = principal
  const wanted = { ...request, ...reachOf(principal), filter }
  const result = await readWaiting(app, reply, askedMs, granted, waiting =>
    findEventPage(app.hub, app.database, { ...wanted, ...waiting }),
  )
  if (result.outcome === 'not-found') throw notFound(what)
  if (result.outcome === 'reset') throw discontinuity(result.reset)
  const { page } = result
  reply.type(form)
  switch (form) {
    case 'application/json':
      return reply.send(documentOf(page))
    case 'application/x-ndjson':
      return reply.send(linesOf(page))
    case CLOUDEVENT_BATCH:
      // The format is an array of events, without room for the cursors.
      reply.headers({ 'x-sluice-next': cursorId(page.next), 'x-sluice-head': cursorId(page.head) })
      return reply.send(batchOf(page, app.cloudEventSource(workspace, request.stream)))
  }
}

/** Joins texts instead of serialising objects, because the data of each event is sent exactly as stored. */
function documentOf({ events, next, head }: EventPage): string {
  const documents = events.map(eventDocument).join(',')
  return `{"events":[${documents}],"next":"${cursorId(next)}","head":"${cursorId(head)}"}`
}

function batchOf({ events }: EventPage, source: string): string {
  return `[${events.map(event => cloudEventDocument(event, source)).join(',')}]`
}

function linesOf({ events }: EventPage): string {
  return events.map(event => `${eventDocument(event)}\n`).join('')
}
