/** GET /runner-jobs/:id/events/stream: a job's stream for command lines; `curl -N` shows it and ends with the job. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { runnerJobChannel } from '../../src/jobs/dialects/dialect-channels.js'
import { runnerJobs } from '../../src/jobs/dialects/runner-jobs.js'
import { JobId } from '../../src/jobs/job.js'
import { EVENT_STREAM } from '../stream-responses.js'
import { DialectQuery, followJob } from './job-stream.js'

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/runner-jobs/:id/events/stream',
    {
      config: { access: 'viewer', grants: 'job', stream: () => runnerJobs, channels: [runnerJobChannel] },
      schema: {
        tags: ['runner jobs'],
        operationId: 'followRunnerJob',
        summary: 'Follow a job to its end',
        params: Type.Object({ id: JobId }),
        querystring: DialectQuery,
        response: EVENT_STREAM,
      },
    },
    (request, reply) =>
      followJob(request, reply, {
        id: request.params.id,
        encoding: runnerJobs,
      }),
  )
}

export default routes
