/** GET /api/principal: the caller, as the gateway sees it, and the parts of the API that it serves. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { OptionalGrants } from '../src/auth/grants/grants.js'
import { ROLES } from '../src/auth/principal.js'
import { isOperator, type OperatorOptions } from './operators.js'

export interface PrincipalOptions extends OperatorOptions {
  /** Whether each part is served, by its name. */
  readonly parts: Readonly<Record<string, boolean>>
}

const Caller = Type.Object(
  {
    id: Type.String({ description: 'The `sub` of the token, or `key:` and the id of the API key.' }),
    workspace: Type.String(),
    role: Type.Enum([...ROLES]),
    grants: OptionalGrants,
    expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
      description: 'When the credentials expire. Null: never.',
    }),
    is_operator: Type.Boolean({
      description: 'Whether the caller may see and change what concerns all workspaces.',
    }),
    parts: Type.Array(Type.String(), {
      description: 'The parts of the API that this gateway serves.',
      examples: [['items', 'jobs', 'keys']],
    }),
  },
  { title: 'Caller' },
)

const principalRoutes: FastifyPluginAsyncTypebox<PrincipalOptions> = async (app, options) => {
  const { parts } = options
  const served = Object.keys(parts).filter(part => parts[part])
  app.get(
    '/api/principal',
    {
      config: { access: ['viewer', 'runner'], grants: 'none' },
      schema: {
        tags: ['server'],
        operationId: 'getPrincipal',
        summary: 'Get your own principal',
        description: 'Who the credentials belong to, what they allow, and which parts of the API there are.',
        response: { 200: Caller },
      },
    },
    async request => {
      const { id, workspace, role, grants, expiresAt } = request.principal
      return {
        id,
        workspace,
        role,
        grants: grants ? grants.document : null,
        expires_at: Number.isFinite(expiresAt) ? new Date(expiresAt).toISOString() : null,
        is_operator: role === 'admin' && !grants && isOperator(request, options),
        parts: served,
      }
    },
  )
}

export default principalRoutes
