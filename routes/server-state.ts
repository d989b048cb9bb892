/** PUT /api/server/state switches maintenance in all processes; GET returns the mode of this one. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { MODES } from '../src/hub/mode.js'
import { Problem } from '../src/problems/problem.js'

const State = Type.Object({ mode: Type.Enum([...MODES]) })
const NewState = Type.Object(
  {
    mode: Type.Union([Type.Literal('normal'), Type.Literal('maintenance')], {
      description: 'During maintenance changes get 503; streams and reads continue.',
    }),
  },
  { additionalProperties: false },
)

export interface ServerStateRoutesOptions {
  /** The workspace whose admins may switch maintenance; undefined: the admins of every workspace. */
  readonly operatorWorkspace: string | undefined
}

const serverState: FastifyPluginAsyncTypebox<ServerStateRoutesOptions> = async (
  app,
  { operatorWorkspace },
) => {
  app.get(
    '/api/server/state',
    {
      config: { access: 'viewer', grants: 'none' },
      schema: {
        tags: ['server'],
        operationId: 'getServerState',
        summary: 'Get the mode of this process',
        response: { 200: State },
      },
    },
    async () => ({ mode: app.serverState.mode }),
  )

  app.put(
    '/api/server/state',
    {
      config: { access: 'admin', grants: 'workspace', inMaintenance: true },
      schema: {
        tags: ['server'],
        operationId: 'setServerState',
        summary: 'Switch maintenance on or off in all processes',
        body: NewState,
        response: { 200: State },
      },
    },
    async request => {
      if (operatorWorkspace !== undefined && request.principal.workspace !== operatorWorkspace) {
        const detail = 'Maintenance applies to all workspaces. Ask the operator of this gateway to switch it.'
        throw new Problem(403, 'operators-only', detail)
      }
      await app.serverState.switchTo(request.body.mode, request.auditOrigin)
      return { mode: app.serverState.mode }
    },
  )
}

export default serverState
