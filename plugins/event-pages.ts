/**
 * Decorates replies with `reply.sendEventPage(…)`, which sends a page of a stream: at once, or when the first event
 * arrives (a long poll).
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { reachOf } from '../src/auth/grants/reach.js'
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

async function sendEventPageIn(
  app: FastifyInstance,
  reply: FastifyReply,
  query: EventPageQuery,
): Promise<FastifyReply> {
  const { principal } = reply.request
  const { form, waitMs: askedMs, what = 'stream', ...request } = query
  const granted = await app.grants.toRead(reply.request, query.stream, what)
  const filter = granted.within(query.filter)
  // The wait ends when the credentials end, as a stream does.
  const waitMs = Math.max(0, Math.min(askedMs, principal.expiresAt - Date.now()))
  const { workspace } = principal
  const result = await app.guard.whileGood(
    principal,
    disconnectSignal(reply.raw),
    signal =>
      findEventPage(app.hub, app.database, { ...request, ...reachOf(principal), filter, waitMs, signal }),
    granted,
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
