/** GET /api/events/publishers: who published events, and how, for a list of events that an admin looks at. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { inWorkspace } from '../src/database/workspace.js'
import { FEED, WAYS } from '../src/log/event.js'
import { formatEventId } from '../src/log/event-id.js'
import { readPublishers } from '../src/log/event-publishers.js'
import { findStream } from '../src/log/log.js'
import { FORM } from '../src/openapi/described.js'
import { notFound } from '../src/problems/problem.js'
import { InStream, wholeEventIdIn } from './stored-event.js'

const MOST = 100
const ID = '[0-9]{1,16}\\.[a-z2-7]{6}'

const Query = Type.Object(
  {
    ...InStream.properties,
    ids: Type.String({
      pattern: `^${ID}(,${ID}){0,${MOST - 1}}$`,
      [FORM]: `1 to ${MOST} whole event ids, such as 10532.k7f3qa, separated by commas`,
      description: `1 to ${MOST} whole event ids, separated by commas.`,
      examples: ['10532.k7f3qa,10533.aaulht'],
    }),
  },
  { additionalProperties: false },
)

const Publishers = Type.Object(
  {
    publishers: Type.Array(
      Type.Object({
        id: Type.String({ description: 'The event id.' }),
        actor: Type.Union([Type.String(), Type.Null()], {
          description: 'The principal; null if it was not recorded, or erased by a redaction.',
        }),
        way: Type.Union([Type.Enum([...WAYS]), Type.Null()], {
          description: 'How it was published; null if that was not recorded.',
        }),
      }),
    ),
  },
  { title: 'Publishers' },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/events/publishers',
    {
      config: { access: 'admin', grants: 'workspace' },
      schema: {
        tags: ['events'],
        operationId: 'listEventPublishers',
        summary: 'List who published events, and how',
        description: 'In the order of the stream. Events that the stream does not have are left out.',
        querystring: Query,
        response: { 200: Publishers },
      },
    },
    async request => {
      const { stream = FEED, ids } = request.query
      const { workspace } = request.principal
      const asked = new Set(ids.split(','))
      const positions = [...asked].map(id => wholeEventIdIn(id).position)
      const found = await inWorkspace(app.database, workspace, async client => {
        const found = await findStream(client, workspace, stream)
        return found && readPublishers(client, found.id, positions)
      })
      if (!found) throw notFound('stream')
      const publishers = found.map(({ position, eventId, actor, way }) => ({
        id: formatEventId(position, eventId),
        ...{ actor, way },
      }))
      // Another event may have the position, after the log has lost its tail.
      return { publishers: publishers.filter(({ id }) => asked.has(id)) }
    },
  )
}

export default routes
