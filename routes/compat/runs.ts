/** GET /api/v1/runs/:runId/events: the stream of a job for clients that want its whole state first, then each change. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { ArtifactLinks } from '../../src/jobs/artifacts.js'
import { runChannel } from '../../src/jobs/dialects/dialect-channels.js'
import { openRun, type RunSources, readRun } from '../../src/jobs/dialects/run-snapshot.js'
import { Run } from '../../src/jobs/dialects/run-state.js'
import { runs } from '../../src/jobs/dialects/runs.js'
import { JobId, jobStream } from '../../src/jobs/job.js'
import { DIALECT_TYPES } from '../../src/jobs/job-grants.js'
import type { JobSnapshot } from '../../src/jobs/job-reads.js'
import { formatEventId } from '../../src/log/event-id.js'
import { EVENT_STREAM } from '../stream-responses.js'
import { DialectQuery, followJob } from './job-stream.js'

export interface RunRoutesOptions {
  readonly links: ArtifactLinks | undefined
  /** The most clients that may follow one run in this process; 0: any number. */
  readonly maxListeners: number
}

const Params = Type.Object({ runId: JobId })
const ReadRun = Type.Object(Run.properties, {
  additionalProperties: true,
  description: 'The run.',
  headers: {
    'x-sluice-head': Type.String({
      description: 'The event id of the newest event that the response includes. Follow the run from there.',
    }),
  },
})

const tags = ['runs']

const routes: FastifyPluginAsyncTypebox<RunRoutesOptions> = async (app, { links, maxListeners }) => {
  app.get(
    '/api/v1/runs/:runId',
    {
      config: { access: 'viewer', grants: 'job' },
      schema: {
        tags,
        operationId: 'getRun',
        summary: 'Get a run',
        description: 'The same object as `run` in the first message of its stream, for clients that poll.',
        params: Params,
        response: { 200: ReadRun },
      },
    },
    async (request, reply) => {
      await app.grants.toRead(request, jobStream(request.params.runId), 'job', DIALECT_TYPES)
      const snapshot = await app.jobs.snapshot(request.principal, request.params.runId)
      const run = await readRun(sourcesFor(request, snapshot), snapshot)
      const { position, eventId } = snapshot.head
      reply.headers({
        'x-sluice-head': formatEventId(position, eventId),
        'cache-control': 'private, no-cache',
      })
      return run
    },
  )

  app.get(
    '/api/v1/runs/:runId/events',
    {
      config: { access: 'viewer', grants: 'job', stream: () => runs, channels: [runChannel] },
      schema: {
        tags,
        operationId: 'followRun',
        summary: 'Follow a run to its end',
        description:
          'MAX_STREAMS_PER_RUN clients per process can follow a run; further ones are asked to retry.',
        params: Params,
        querystring: DialectQuery,
        response: EVENT_STREAM,
      },
    },
    (request, reply) =>
      followJob(request, reply, {
        id: request.params.runId,
        encoding: runs,
        ...(maxListeners > 0 && { maxFollowers: maxListeners }),
        opening: snapshot => openRun(sourcesFor(request, snapshot), snapshot),
      }),
  )

  function sourcesFor(
    { principal: { workspace, credential } }: FastifyRequest,
    { job: { id: run } }: JobSnapshot,
  ): RunSources {
    const holder = credential.kind === 'key' ? { key: credential.id, run } : undefined
    const link = links && ((path: string) => links.sign(workspace, path, Date.now(), holder))
    return { database: app.database, workspace, link }
  }
}

export default routes
