/** Finds the event that a request names, if its caller may read it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { reachOf } from '../src/auth/grants/reach.js'
import { inWorkspace } from '../src/database/workspace.js'
import { FEED, type StoredEvent, type StreamId, StreamName } from '../src/log/event.js'
import { type EventId, isIdOf, parseEventId } from '../src/log/event-id.js'
import { findStream, readEvent } from '../src/log/log.js'
import { notFound, Problem } from '../src/problems/problem.js'
import { assertVisible } from './job-visibility.js'

export const InStream = Type.Object(
  {
    stream: Type.Optional({
      ...StreamName,
      description: 'The name of the stream; default: the feed of the workspace.',
    }),
  },
  { additionalProperties: false },
)

export const EventParams = Type.Object({
  id: Type.String({ description: 'The event id, such as `10532.k7f3qa`.' }),
})

export interface Found {
  readonly stream: StreamId
  readonly event: StoredEvent
}

/** @throws {Problem} 400 `invalid-event-id`. */
export function eventIdIn(text: string): EventId {
  const id = parseEventId(text)
  if (id) return id
  throw new Problem(400, 'invalid-event-id', 'An event id looks like 10532.k7f3qa.')
}

/** For an act that must not meet another event: after a lost tail, the log gives the bare position to one. */
export function wholeEventIdIn(text: string): EventId {
  const id = eventIdIn(text)
  if (id.check !== undefined) return id
  throw new Problem(400, 'invalid-event-id', 'Name the event by its whole id, such as 10532.k7f3qa.')
}

/** @throws {Problem} 404 `not-found`. */
export async function findEvent(request: FastifyRequest, id: EventId, name = FEED): Promise<Found> {
  const { server: app, principal } = request
  const granted = await app.grants.toRead(request, name, 'event')
  await assertVisible(request, name, 'event')
  const found = await inWorkspace(app.database, reachOf(principal), async client => {
    const stream = await findStream(client, principal.workspace, name)
    const event = stream && (await readEvent(client, stream.id, id.position))
    return event && { stream: stream.id, event }
  })
  const hidden = found && granted.within(undefined)?.matches(found.event) === false
  if (!found || hidden || !isIdOf(id, found.event.eventId)) throw notFound('event')
  return found
}

/** @param document JSON text. */
export function sendDocument(reply: FastifyReply, document: string, type = 'application/json'): FastifyReply {
  return reply.type(type).send(document)
}
