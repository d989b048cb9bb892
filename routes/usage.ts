/** GET /api/usage: what a workspace has stored, and its limits. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Config } from '../src/config/config.js'
import { inWorkspace } from '../src/database/workspace.js'
import { WORKSPACE_FORM, WORKSPACE_PATTERN } from '../src/log/event.js'
import { FORM } from '../src/openapi/described.js'
import { orNull } from '../src/openapi/or-null.js'
import { readUsage } from '../src/usage/usage-rows.js'
import { assertOperator } from './operators.js'

const count = (description: string) => Type.Integer({ minimum: 0, description })
const limit = (description: string) => orNull(Type.Integer({ minimum: 1 }), `${description} Null: unlimited.`)

const UsageDocument = Type.Object(
  {
    workspace: Type.String(),
    streams: count('Streams, without those of jobs.'),
    jobs: count('Jobs that are stored, whatever their status.'),
    events: count('Stored events, those of jobs included.'),
    bytes: count('The size of the data of these events.'),
    counted_at: orNull(
      Type.String({ format: 'date-time' }),
      'When the count began: everything that was stored before is in it. Null: the workspace has stored nothing, or was not counted yet.',
    ),
    limits: Type.Object({
      streams: limit('Streams that may be stored.'),
      jobs: limit('Jobs that may be stored.'),
      events: limit('Events that may be stored.'),
      bytes: limit('Bytes that their data may have.'),
      events_per_minute: limit('Events that callers may publish in a minute.'),
    }),
  },
  { title: 'Usage', description: 'What a workspace has stored, as it was counted last, and its limits.' },
)

const UsageQuery = Type.Object({
  workspace: Type.Optional(
    Type.String({
      pattern: WORKSPACE_PATTERN,
      [FORM]: WORKSPACE_FORM,
      description: "Operators only: another workspace than the caller's own.",
    }),
  ),
})

const routes: FastifyPluginAsyncTypebox<{ readonly config: Config }> = async (app, { config }) => {
  const limits = {
    streams: config.MAX_STORED_STREAMS_PER_WORKSPACE || null,
    jobs: config.MAX_JOBS_PER_WORKSPACE || null,
    events: config.MAX_EVENTS_PER_WORKSPACE || null,
    bytes: config.MAX_BYTES_PER_WORKSPACE || null,
    events_per_minute: config.MAX_EVENTS_PER_MINUTE_PER_WORKSPACE || null,
  }

  app.get(
    '/api/usage',
    {
      config: { access: 'admin', grants: 'workspace' },
      schema: {
        tags: ['streams'],
        operationId: 'getUsage',
        summary: 'Show what the workspace has stored, and its limits',
        querystring: UsageQuery,
        response: { 200: UsageDocument },
      },
    },
    async (request, reply) => {
      const { workspace: own } = request.principal
      const { workspace = own } = request.query
      if (workspace !== own)
        assertOperator(
          request,
          { operatorWorkspace: config.OPERATOR_WORKSPACE ?? '' },
          'You may see the usage of your own workspace. Leave `workspace` out, or ask the operator of this gateway.',
        )
      const usage =
        workspace === own
          ? await inWorkspace(app.database, own, client => readUsage(client, own))
          : await readUsage(app.database, workspace)
      const { streams = 0, jobs = 0, events = 0, bytes = 0, countedAt } = usage ?? {}
      const counted_at = countedAt?.toISOString() ?? null
      reply.header('cache-control', 'no-store')
      return { workspace, streams, jobs, events, bytes, counted_at, limits }
    },
  )
}

export default routes
