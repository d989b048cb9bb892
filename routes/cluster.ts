/** GET /api/cluster: every process of the cluster, for operators. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { NodeDocument } from '../src/clients/node-document.js'
import { nodeDocuments } from './node-documents.js'
import { assertOperator, type OperatorOptions } from './operators.js'

const OPERATORS_ONLY = 'The nodes serve all workspaces. Ask the operator of this gateway for them.'

const ClusterDocument = Type.Object(
  {
    nodes: Type.Array(NodeDocument),
    clients: Type.Integer({ description: 'Open streams of all of them.' }),
    by_kind: Type.Record(Type.String(), Type.Integer(), { description: 'The same by kind of stream.' }),
  },
  { description: 'The processes of the cluster at their last heartbeats, by name.' },
)

const routes: FastifyPluginAsyncTypebox<OperatorOptions> = async (app, options) => {
  app.get(
    '/api/cluster',
    {
      config: { access: 'admin', grants: 'workspace' },
      schema: {
        tags: ['server'],
        operationId: 'getCluster',
        summary: 'List the processes of the cluster with their figures',
        description: 'With `OPERATOR_WORKSPACE`, only for the admins of that workspace.',
        response: { 200: ClusterDocument },
      },
    },
    async request => {
      assertOperator(request, options, OPERATORS_ONLY)
      const nodes = await nodeDocuments(app.database, new Set([app.hub.id]))
      const by_kind: Record<string, number> = {}
      for (const node of nodes) {
        for (const [kind, clients] of Object.entries(node.by_kind))
          by_kind[kind] = (by_kind[kind] ?? 0) + clients
      }
      return { nodes, clients: nodes.reduce((sum, { clients }) => sum + clients, 0), by_kind }
    },
  )
}

export default routes
