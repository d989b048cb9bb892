/** PUT /api/server/state switches maintenance in all processes; GET returns the mode of this one. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { MODES } from '../src/hub/mode.js'
import { assertOperator, type OperatorOptions } from './operators.js'

const State = Type.Object({ mode: Type.Enum([...MODES]) })
const NewState = Type.Object(
  {
    mode: Type.Union([Type.Literal('normal'), Type.Literal('maintenance')], {
      description: 'During maintenance changes get 503; streams and reads continue.',
    }),
  },
  { additionalProperties: false, examples: [{ mode: 'maintenance' }] },
)

const serverState: FastifyPluginAsyncTypebox<OperatorOptions> = async (app, options) => {
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
      assertOperator(
        request,
        options,
        'Maintenance applies to all workspaces. Ask the operator of this gateway to switch it.',
      )
      await app.serverState.switchTo(request.body.mode, request.auditOrigin)
      return { mode: app.serverState.mode }
    },
  )
}

export default serverState
