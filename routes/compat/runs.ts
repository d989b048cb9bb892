/** GET /api/v1/runs/:runId/events: the stream of a job for clients that want its whole state first, then each change. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { ArtifactLinks } from '../../src/jobs/artifacts.js'
import { openRun } from '../../src/jobs/dialects/run-snapshot.js'
import { runs } from '../../src/jobs/dialects/runs.js'
import { JobId } from '../../src/jobs/job.js'
import { EVENT_STREAM } from '../stream-responses.js'
import { DialectQuery, followJob } from './job-stream.js'

/** The most clients that may follow one run in one process. */
const MAX_LISTENERS = 50

const routes: FastifyPluginAsyncTypebox<{ links: ArtifactLinks | undefined }> = async (app, { links }) => {
  app.get(
    '/api/v1/runs/:runId/events',
    {
      config: { access: 'viewer', stream: () => runs },
      schema: {
        tags: ['runs'],
        operationId: 'followRun',
        summary: 'Follow a run to its end',
        description: `At most ${MAX_LISTENERS} clients per process can follow a run; further ones are asked to retry.`,
        params: Type.Object({ runId: JobId }),
        querystring: DialectQuery,
        response: EVENT_STREAM,
      },
    },
    (request, reply) =>
      followJob(request, reply, {
        id: request.params.runId,
        encoding: runs,
        maxFollowers: MAX_LISTENERS,
        opening(snapshot) {
          const { workspace, credential } = request.principal
          const key = credential.kind === 'key' ? credential.id : undefined
          const link = links && ((path: string) => links.sign(workspace, path, Date.now(), key))
          return openRun({ database: app.database, workspace, link }, snapshot)
        },
      }),
  )
}

export default routes
