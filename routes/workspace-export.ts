/** GET /api/workspace/export: everything that the caller's workspace has stored, as lines. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { recordAudit } from '../src/audit/audit.js'
import { reachOf } from '../src/auth/grants/reach.js'
import { NDJSON } from '../src/bytes/media-type.js'
import { inWorkspace } from '../src/database/workspace.js'
import { unavailable } from '../src/problems/problem.js'
import { workspaceExportStream } from '../src/workspaces/workspace-export-stream.js'
import { LineExports } from './line-exports.js'

/** Exports of a process at a time. Each occupies a connection to the database, of which other requests need most. */
const MAX_EXPORTS = 2
/** The snapshot of an export keeps Postgres from removing dead rows, so a slow reader must not hold it any longer. */
const MAX_EXPORT_MS = 3_600_000

const routes: FastifyPluginAsyncTypebox = async app => {
  const exports = new LineExports(app)
  const running = new Set<string>()

  app.get(
    '/api/workspace/export',
    {
      config: { access: 'admin', grants: 'workspace' },
      schema: {
        tags: ['streams'],
        operationId: 'exportWorkspace',
        summary: 'Export everything that the workspace has stored',
        description:
          'One snapshot, as lines. The last line is `{"kind":"end","lines":…}`: without it the export was cut off.',
        response: { 200: { content: { [NDJSON]: { schema: Type.String() } } } },
      },
    },
    async (request, reply) => {
      const { workspace } = request.principal
      if (request.method === 'HEAD') return reply.type(NDJSON).send('')
      if (running.has(workspace) || running.size >= MAX_EXPORTS) throw busy()
      running.add(workspace)
      let started = false
      try {
        await inWorkspace(app.database, workspace, client =>
          recordAudit(client, { ...request.auditOrigin, action: 'workspace.exported', details: {} }),
        )
        return exports.send(request, reply, () => {
          started = true
          const lines = workspaceExportStream(app.database, reachOf(request.principal), () =>
            running.delete(workspace),
          )
          const timer = setTimeout(() => lines.destroy(), MAX_EXPORT_MS).unref()
          lines.once('close', () => clearTimeout(timer))
          return lines
        })
      } finally {
        if (!started) running.delete(workspace)
      }
    },
  )
}

export default routes

function busy() {
  const detail = 'This process runs as many exports as it may at a time. Retry when one has ended.'
  return unavailable('database-busy', detail, 30)
}
