/**
 * /api/clients, for the admins of a workspace: the clients that are connected to this node, those that were and why
 * they left, and the end of one client's stream.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { endClient } from '../src/auth/revocations/client-end.js'
import {
  ClientDocument,
  ClosedClientDocument,
  RefusedClientDocument,
} from '../src/clients/client-document.js'
import { CLOSED_KEY, firstOf, keyOfClosed, keyOfOpen, OPEN_KEY } from '../src/clients/client-page.js'
import type { ClientQuestion, ClientReport } from '../src/clients/client-report.js'
import { NodeDocument } from '../src/clients/node-document.js'
import { listNodes } from '../src/cluster/node-rows.js'
import { reportClients } from '../src/hub/client-reports.js'
import { isNamedBy, nodeOf } from '../src/hub/connection-name.js'
import { StreamName } from '../src/log/event.js'
import { asLine } from '../src/openapi/described.js'
import { cutPage, formatCursor, parseCursor } from '../src/paging/page-cursor.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { notFound } from '../src/problems/problem.js'
import { nodeDocuments } from './node-documents.js'
import { isOperator, type OperatorOptions } from './operators.js'

export interface ClientRouteOptions extends OperatorOptions {
  /** The clients of all processes behind the same port, where there are several. */
  readonly collectClients?: ((question: ClientQuestion) => Promise<readonly ClientReport[]>) | undefined
}

const Filters = {
  stream: Type.Optional({ ...StreamName, description: 'Only clients of this stream.' }),
  principal: Type.Optional(
    asLine(Type.String({ maxLength: 256, description: 'Only clients of this principal.' })),
  ),
}
const Query = Type.Object(
  { ...Filters, ...pageQuery('Maximum number of clients on the page.') },
  { additionalProperties: false },
)
const RefusedQuery = Type.Pick(Query, ['stream', 'principal', 'limit'], { additionalProperties: false })
const Params = Type.Object({
  connection: Type.String({
    format: 'uuid',
    description: 'The `connection` of the client, from the list or from its first `server.state`.',
  }),
})
const Total = Type.Integer({ description: 'How many match, on all pages.' })
const Clients = Type.Object(
  {
    clients: Type.Array(ClientDocument),
    total: Total,
    next_cursor: NextCursor,
    nodes: Type.Union([Type.Array(NodeDocument), Type.Null()], {
      description:
        'The processes of the cluster, with the number of their clients. Null for admins who are not operators, and while the database cannot be read.',
    }),
  },
  { description: 'A page of clients, in the order of their connections.' },
)
const Closed = Type.Object(
  { closed: Type.Array(ClosedClientDocument), total: Total, next_cursor: NextCursor },
  { description: 'A page of closed clients, the newest first.' },
)
const Refused = Type.Object(
  { refused: Type.Array(RefusedClientDocument), total: Total },
  { description: 'Refused clients, the newest first.' },
)
const Ended = Type.Object(
  {
    connection: Type.String({ format: 'uuid' }),
    node: Type.String({ description: 'The process that holds the client.' }),
    detail: Type.String({ description: 'What happens next.' }),
  },
  { description: 'The stream ends within 5 s.' },
)
const MAY_RECONNECT =
  'The client may reconnect at once, where it was. Revoke its credentials to keep it out: POST /api/revocations.'

const tags = ['clients']
const config = { access: 'admin', grants: 'workspace' } as const

const routes: FastifyPluginAsyncTypebox<ClientRouteOptions> = async (app, options) => {
  const collect = collector(app, options)

  app.get(
    '/api/clients',
    {
      config,
      schema: {
        tags,
        operationId: 'listClients',
        summary: 'List the connected clients of the workspace',
        description: 'Those of this process; with `WORKERS`, of all workers of this node.',
        querystring: Query,
        response: { 200: Clients },
      },
    },
    async request => {
      const { limit, cursor, ...filters } = request.query
      const after = cursor === undefined ? undefined : parseCursor('clients', cursor, OPEN_KEY)
      const { workspace } = request.principal
      const reports = await collect({ workspace, of: 'open', ...filters, after, limit: limit + 1 })
      const found = reports.flatMap(({ open }) => open.map(({ client }) => client))
      const cut = { order: 'ascending', limit: limit + 1 } as const
      const { page, next_cursor } = cutPage(firstOf(found, keyOfOpen, cut), limit, client =>
        formatCursor('clients', keyOfOpen(client)),
      )
      // Without the database, the list is needed most.
      const nodes = isOperator(request, options) ? await nodesOf(reports).catch(() => null) : null
      return { clients: page, total: totalOf(reports), next_cursor, nodes }
    },
  )

  app.get(
    '/api/clients/closed',
    {
      config,
      schema: {
        tags,
        operationId: 'listClosedClients',
        summary: 'List the clients that have closed, newest first',
        description:
          'The last 1,000 of each process, which a workspace with many does not take from the others.',
        querystring: Query,
        response: { 200: Closed },
      },
    },
    async request => {
      const { limit, cursor, ...filters } = request.query
      const after = cursor === undefined ? undefined : parseCursor('closed', cursor, CLOSED_KEY)
      const { workspace } = request.principal
      const reports = await collect({ workspace, of: 'closed', ...filters, after, limit: limit + 1 })
      const found = reports.flatMap(({ closed }) => closed.map(({ client }) => client))
      const cut = { order: 'descending', limit: limit + 1 } as const
      const { page, next_cursor } = cutPage(firstOf(found, keyOfClosed, cut), limit, client =>
        formatCursor('closed', keyOfClosed(client)),
      )
      return { closed: page, total: totalOf(reports), next_cursor }
    },
  )

  app.get(
    '/api/clients/refused',
    {
      config,
      schema: {
        tags,
        operationId: 'listRefusedClients',
        summary: 'List the clients that got no stream, newest first',
        description: 'The last 500 of each process. Refused credentials are in the audit log instead.',
        querystring: RefusedQuery,
        response: { 200: Refused },
      },
    },
    async request => {
      const { limit, ...filters } = request.query
      const { workspace } = request.principal
      const reports = await collect({ workspace, of: 'refused', ...filters, limit })
      const found = reports.flatMap(({ refused }) => refused)
      const cut = { order: 'descending', limit } as const
      return { refused: firstOf(found, ({ refused_at }) => refused_at, cut), total: totalOf(reports) }
    },
  )

  app.delete(
    '/api/clients/:connection',
    {
      config: { ...config, inMaintenance: true },
      schema: {
        tags,
        operationId: 'endClient',
        summary: 'End the stream of a client',
        description: `The client gets \`unavailable\` with the reason \`by-admin\` and its own cursor. ${MAY_RECONNECT}`,
        params: Params,
        response: { 202: Ended },
      },
    },
    async (request, reply) => {
      const connection = request.params.connection.toLowerCase()
      const { workspace } = request.principal
      const found = await holderOf(request, connection)
      if (!found) throw notFound('client')
      await endClient(app.database, request.auditOrigin, { connection, ...found })
      app.accessChanged()
      app.hub.connections.end(workspace, connection)
      return reply.code(202).send({ connection, node: found.node, detail: MAY_RECONNECT })
    },
  )

  function nodesOf(reports: readonly ClientReport[]) {
    return nodeDocuments(app.database, new Set(reports.map(({ id }) => id)))
  }

  /** Another node does not say which clients it has, so the answer for one of its connections is the same for all. */
  async function holderOf({ principal: { workspace } }: FastifyRequest, connection: string) {
    const reports = await collect({ workspace, of: 'open', connection, limit: 1 })
    const client = reports.flatMap(({ open }) => open)[0]?.client
    if (client) return { node: client.node, principal: client.principal, stream: client.stream }
    const asked = new Set(reports.map(({ id }) => id))
    const nodes = await listNodes(app.database)
    const holder = nodes.find(({ id }) => !asked.has(id) && isNamedBy(id, connection))
    return holder && { node: nodeOf(holder.id), principal: null, stream: null }
  }
}

export default routes

/** Asks all processes behind the same port. */
export function collector(
  app: FastifyInstance,
  { collectClients }: Pick<ClientRouteOptions, 'collectClients'>,
): (question: ClientQuestion) => Promise<readonly ClientReport[]> {
  return async question => (await collectClients?.(question)) ?? [reportClients(app.hub, question)]
}

function totalOf(reports: readonly ClientReport[]): number {
  return reports.reduce((sum, { total }) => sum + total, 0)
}
