/** GET /api/stream-clients: how many clients follow a stream, over all nodes, and who they are. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { reachOf } from '../src/auth/grants/reach.js'
import { inOrder, PLACE, placeOf, StreamClient } from '../src/clients/stream-client.js'
import { countOn } from '../src/hub/client-counts.js'
import { findStored } from '../src/hub/stored-stream.js'
import { clientsOn } from '../src/hub/stream-clients.js'
import { FEED, type StreamId, StreamName } from '../src/log/event.js'
import { orNull } from '../src/openapi/or-null.js'
import { cutPage, formatCursor, parseCursor } from '../src/paging/page-cursor.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { notFound } from '../src/problems/problem.js'
import { assertVisible } from './job-visibility.js'

const LIST = 'stream-clients'

const Query = Type.Object(
  {
    stream: Type.Optional({
      ...StreamName,
      description: 'The name of the stream; default: the feed of the workspace.',
    }),
    who: Type.Boolean({ default: true, description: 'False: only the count, which is there at once.' }),
    ...pageQuery('Maximum number of clients in `who`.'),
  },
  { additionalProperties: false },
)
const StreamClients = Type.Object(
  {
    stream: Type.String(),
    clients: Type.Integer({
      description:
        'Open streams on it: through this process now, and through the others at their last heartbeat, 2 s ago at most.',
    }),
    who: orNull(
      Type.Array(StreamClient),
      'The clients, by node and in the order in which they came. Null for viewers, and with `who=false`.',
    ),
    next_cursor: NextCursor,
    complete: Type.Boolean({
      description:
        'False: a node has more streams than it can report, runs an older version, or has not answered in time, so clients may be missing.',
    }),
  },
  { description: 'The clients of the stream.' },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/stream-clients',
    {
      config: { access: 'viewer', grants: 'stream' },
      schema: {
        tags: ['streams'],
        operationId: 'listStreamClients',
        summary: 'Count the clients of a stream over all nodes, and list them',
        description:
          'For callers who may read the stream. Viewers get the count. A page of the list may take two seconds, while the other nodes answer.',
        querystring: Query,
        response: { 200: StreamClients },
      },
    },
    async request => {
      const { stream = FEED, who, limit, cursor } = request.query
      const after = cursor === undefined ? '' : parseCursor(LIST, cursor, PLACE)
      const id = await findReadable(request, stream)
      const { role } = request.principal
      const lists = who && role !== 'viewer'
      if (id === undefined)
        return { stream, clients: 0, who: lists ? [] : null, next_cursor: null, complete: true }
      const here = countOn(app.hub.subscriptions, id)
      const elsewhere = await app.cluster.clientsElsewhere(id)
      const counted = { stream, clients: here + elsewhere.clients, complete: elsewhere.isComplete }
      if (!lists) return { ...counted, who: null, next_cursor: null }
      const listed = await app.cluster.listElsewhere({ stream: id, after })
      const { workspace } = request.principal
      const named = { workspace, name: stream }
      const own = clientsOn(app.hub, { stream: id, after, named }, limit + 1)
      const { page, next_cursor } = cutPage(inOrder([...own, ...listed.clients]), limit, last =>
        formatCursor(LIST, placeOf(last)),
      )
      const complete = counted.complete && listed.isComplete
      return { ...counted, who: page.map(({ client }) => client), next_cursor, complete }
    },
  )

  /** Undefined: the feed, which does not exist yet. @throws {Problem} 404 as for reading the stream. */
  async function findReadable(request: FastifyRequest, stream: string): Promise<StreamId | undefined> {
    await app.grants.toRead(request, stream)
    await assertVisible(request, stream)
    const found = await findStored(app.database, reachOf(request.principal), stream)
    if (!found && stream !== FEED) throw notFound('stream')
    return found?.id
  }
}

export default routes
