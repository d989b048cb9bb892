/** GET /api/latest: the newest event of each key of a stream, to load a state that the client then follows. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { reachOf } from '../src/auth/grants/reach.js'
import { cursorId } from '../src/hub/cursor.js'
import { findLatest, type LatestList } from '../src/hub/latest-page.js'
import type { Reset } from '../src/hub/start.js'
import { EventDocument, FEED, StreamName } from '../src/log/event.js'
import { EventFilter } from '../src/log/event-filter.js'
import { parseKeyPath } from '../src/log/latest.js'
import { TypeFilter } from '../src/log/type-filter.js'
import { NextCursor } from '../src/paging/page-query.js'
import { notFound, Problem } from '../src/problems/problem.js'
import { eventDocument } from '../src/sse/ndjson.js'
import { DeletedTypes, Key } from './event-selection.js'
import { assertVisible } from './job-visibility.js'
import { StreamQuery } from './stream-query.js'

const DEFAULT_LIMIT = 100

const Query = Type.Object(
  {
    stream: Type.Optional({
      ...StreamName,
      description: 'The name of the stream; default: the feed of the workspace.',
    }),
    key: Key,
    types: StreamQuery.properties.types,
    where: StreamQuery.properties.where,
    deleted: Type.Optional(DeletedTypes),
    limit: StreamQuery.properties.limit,
    cursor: Type.Optional(
      Type.String({ maxLength: 256, description: 'The `next_cursor` of the previous page, unchanged.' }),
    ),
  },
  { additionalProperties: false },
)
type Query = Static<typeof Query>

const Latest = Type.Object(
  {
    events: Type.Array(EventDocument),
    next_cursor: NextCursor,
    head: Type.String({
      description: 'Follow the stream from here when you have all pages. The same on all of them.',
      examples: ['10532.k7f3qa'],
    }),
  },
  { title: 'LatestPage' },
)

const latest: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/latest',
    {
      config: { access: 'viewer', grants: 'stream' },
      schema: {
        tags: ['events'],
        operationId: 'listLatest',
        summary: 'List the newest event of each key',
        description: 'In the order of their positions. Afterwards follow the stream with `from=` the `head`.',
        querystring: Query,
        response: { 200: Latest },
      },
    },
    (request, reply) => sendLatest(request, reply),
  )

  async function sendLatest(request: FastifyRequest<{ Querystring: Query }>, reply: FastifyReply) {
    const { stream = FEED, key, deleted, limit = DEFAULT_LIMIT, cursor } = request.query
    const granted = await app.grants.toRead(request, stream)
    await assertVisible(request, stream)
    app.memory.assertRoom()
    const result = await findLatest(app.database, {
      ...reachOf(request.principal),
      stream,
      key: parseKeyPath(key),
      filter: granted.within(EventFilter.of(request.query)),
      omitted: deleted === undefined ? undefined : TypeFilter.parse(deleted),
      limit,
      cursor,
    })
    if (result.outcome === 'not-found') throw notFound('stream')
    if (result.outcome === 'reset') throw discontinued(result.reset)
    return reply.type('application/json').send(documentOf(result.page))
  }
}

export default latest

function discontinued(reset: Reset): Problem {
  const detail = 'The log does not continue after this cursor. Start the listing again, without it.'
  return new Problem(410, reset.reason, detail, { earliest: reset.earliest, head: reset.head })
}

/** Joins texts instead of serialising objects, because the data of each event is sent exactly as stored. */
function documentOf({ events, nextCursor, head }: LatestList): string {
  const documents = events.map(eventDocument).join(',')
  return `{"events":[${documents}],"next_cursor":${JSON.stringify(nextCursor)},"head":"${cursorId(head)}"}`
}
