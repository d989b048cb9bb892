/** GET /api/jobs/:id/events: the stream of a job in the feed's protocol. A snapshot comes first, and the stream has an end. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { cursorId } from '../src/hub/cursor.js'
import { jobEnd, jobEvents, jobLines, jobMessages, jobSnapshot } from '../src/jobs/dialects/job.js'
import { JobId, jobStream } from '../src/jobs/job.js'
import { JOB_TYPES } from '../src/jobs/job-grants.js'
import type { StreamChannel } from '../src/specifications/channel.js'
import { logForms } from '../src/specifications/log-messages.js'
import { answerWithStream, LiveForms, PAGE_ONLY, StreamQuery } from './stream-query.js'
import { STREAM_OR_PAGE } from './stream-responses.js'

const forms = new LiveForms(jobEvents, jobMessages, jobLines, jobEnd)

const channel = {
  name: 'job',
  title: 'A job',
  description:
    'The events of one job, from its beginning. A `snapshot` comes first, except in lines, and the response ends after the last event.',
  operation: 'followJob',
  without: PAGE_ONLY,
  forms: () => logForms('job'),
} satisfies StreamChannel

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/jobs/:id/events',
    {
      config: { access: 'viewer', grants: 'job', stream: forms.of, channels: [channel] },
      schema: {
        tags: ['jobs'],
        operationId: 'followJob',
        summary: 'Follow a job to its end, or read a page of its events',
        description:
          'Like the feed, except that a `snapshot` comes first and the response ends after the last event.',
        params: Type.Object({ id: JobId }),
        querystring: StreamQuery,
        response: STREAM_OR_PAGE,
      },
    },
    (request, reply) => {
      const { id } = request.params
      return answerWithStream(request, reply, request.query, jobStream(id), forms, {
        from: { at: 'beginning' },
        what: 'job',
        async opening(encoding) {
          const { job, head } = await app.jobs.snapshot(request.principal, id)
          // The caller gets the other events of the job.
          const granted = await app.grants.toRead(request, jobStream(id), 'job')
          if (!granted.includes(JOB_TYPES)) return { frames: [] }
          return {
            frames: [encoding.notice(jobSnapshot(job, cursorId(head)))].filter(frame => frame !== undefined),
          }
        },
      })
    },
  )
}

export default routes
