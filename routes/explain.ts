/** GET /api/explain: why a client did, or did not, get an event. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { ClientQuestion, ClientReport } from '../src/clients/client-report.js'
import { listNodes } from '../src/cluster/node-rows.js'
import { readEventFacts } from '../src/explain/event-facts.js'
import { explain } from '../src/explain/explain.js'
import { Explanation } from '../src/explain/explanation.js'
import { FEED, StreamName } from '../src/log/event.js'
import { asLine } from '../src/openapi/described.js'
import { type ClientRouteOptions, collector } from './clients.js'
import { eventIdIn } from './stored-event.js'

/** The most clients of each kind: open, closed, refused. */
const MOST_CLIENTS = 100

const Query = Type.Object(
  {
    event: Type.String({ description: 'The event id, such as `10532.k7f3qa`.' }),
    stream: Type.Optional({ ...StreamName, description: 'The stream of the event; default: the feed.' }),
    client: Type.Optional(
      Type.String({ format: 'uuid', description: 'The `connection` of one client. Default: all clients.' }),
    ),
    principal: Type.Optional(
      asLine(Type.String({ maxLength: 256, description: 'The clients of one principal. Default: all.' })),
    ),
  },
  { additionalProperties: false },
)

const routes: FastifyPluginAsyncTypebox<Pick<ClientRouteOptions, 'collectClients'>> = async (
  app,
  options,
) => {
  const collect = collector(app, options)

  app.get(
    '/api/explain',
    {
      config: { access: 'admin', grants: 'workspace' },
      schema: {
        tags: ['clients'],
        operationId: 'explainEvent',
        summary: 'Explain what became of an event for a client',
        description:
          'Says who published the event, which clients could get it, and whether it was written to them; and if not, why. What was not recorded is named as unknown.',
        querystring: Query,
        response: { 200: Explanation },
      },
    },
    async request => {
      const { event: id, stream = FEED, client, principal } = request.query
      const { workspace } = request.principal
      const connection = client?.toLowerCase()
      const event = await readEventFacts(app.database, workspace, stream, eventIdIn(id))
      const nodes = await listNodes(app.database)
      const question: ClientQuestion = {
        ...{ workspace, of: 'event', stream, connection, principal, limit: MOST_CLIENTS },
        event: event.found === 'stored' ? { ...event, at: event.at.getTime() } : undefined,
      }
      let reports = await collect(question)
      // A client that is named may have followed another stream.
      const isForOne = connection !== undefined || principal !== undefined
      if (isForOne && reports.every(isEmpty)) reports = await collect({ ...question, stream: undefined })
      const asked = new Set(reports.map(report => report.id))
      const others = nodes.filter(node => !asked.has(node.id)).map(node => node.id)
      return explain({ id, event, asked: { connection, principal }, reports, others, now: Date.now() })
    },
  )
}

export default routes

function isEmpty({ open, closed, refused }: ClientReport): boolean {
  return open.length + closed.length + refused.length === 0
}
