/** GET /api/jobs/:id/events: the stream of a job as the feed's clients know it, after a snapshot and with an end. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { cursorId } from '../src/hub/cursor.js'
import { jobEvents, jobLines, jobSnapshot } from '../src/jobs/dialects/job.js'
import { JobId, jobStream } from '../src/jobs/job.js'
import { answerWithStream, StreamQuery } from './stream-query.js'
import { STREAM_OR_PAGE } from './stream-responses.js'

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/jobs/:id/events',
    {
      config: { access: 'viewer', stream: true },
      schema: {
        tags: ['jobs'],
        operationId: 'followJob',
        summary: 'Follow a job to its end, or read a page of its events',
        description: 'As the feed, but a `snapshot` comes first, and the response ends after the last event.',
        params: Type.Object({ id: JobId }),
        querystring: StreamQuery,
        response: STREAM_OR_PAGE,
      },
    },
    (request, reply) => {
      const { id } = request.params
      return answerWithStream(request, reply, request.query, jobStream(id), {
        encoding: jobEvents,
        lines: jobLines,
        from: { at: 'beginning' },
        async opening() {
          const { job, head } = await app.jobs.snapshot(request.principal.workspace, id)
          return { frames: [jobSnapshot(job, cursorId(head))] }
        },
      })
    },
  )
}

export default routes
