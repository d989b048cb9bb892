/** Gives replies `reply.sendEventPage(…)`: a page of a stream, at once or as soon as there is something to show (a long poll). */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { disconnectSignal } from '../src/http/client-disconnect.js'
import { cursorId } from '../src/hub/cursor.js'
import { type EventPage, readEventPage } from '../src/hub/event-page.js'
import type { Reset, StartAt } from '../src/hub/start.js'
import { tooManyStreams } from '../src/limits/stream-slots.js'
import type { TypeFilter } from '../src/log/type-filter.js'
import { notFound, Problem } from '../src/problems/problem.js'
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
  readonly filter: TypeFilter | undefined
  readonly form: 'application/json' | 'application/x-ndjson'
}

export default fp(
  async app => {
    app.decorateReply('sendEventPage', function (this: FastifyReply, query: EventPageQuery) {
      return sendEventPage(app, this, query)
    })
  },
  { name: 'event-pages', dependencies: ['hub', 'access', 'auth', 'rate-limit', 'stream-slots', 'memory'] },
)

async function sendEventPage(
  app: FastifyInstance,
  reply: FastifyReply,
  query: EventPageQuery,
): Promise<FastifyReply> {
  await app.spendBudget(reply.request, reply)
  app.memory.assertRoom()
  // Who waits holds as much as who follows.
  const slot = query.waitMs > 0 ? app.takeStreamSlot(reply.request) : undefined
  if (typeof slot === 'string') throw tooManyStreams(slot)
  try {
    return await sendEventPageIn(app, reply, query)
  } finally {
    slot?.release()
  }
}

async function sendEventPageIn(
  app: FastifyInstance,
  reply: FastifyReply,
  query: EventPageQuery,
): Promise<FastifyReply> {
  const gone = disconnectSignal(reply.raw)
  const { principal } = reply.request
  const handle = await app.hub.open(principal.workspace, query.stream)
  if (!handle) throw notFound('stream')
  try {
    const { cursor, reset } = await app.hub.starts.resolve(handle.stream, query.from)
    if (reset) throw discontinuity(reset)
    const { limit, filter, form } = query
    // No longer than the credentials are good, as a stream.
    const waitMs = Math.max(0, Math.min(query.waitMs, principal.expiresAt - Date.now()))
    const page = await app.guard.whileGood(principal, gone, signal =>
      readEventPage(app.database, handle.stream, { after: cursor, limit, filter, waitMs, signal }),
    )
    if ('reason' in page) throw discontinuity(page)
    return reply.type(form).send(form === 'application/json' ? documentOf(page) : linesOf(page))
  } finally {
    handle.release()
  }
}

function discontinuity(reset: Reset): Problem {
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
