/** /projects/:id: commands that a runner of the project executes, and the streams of their output. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { CommandStarts } from '../../src/jobs/dialects/command-starts.js'
import { remoteCommandChannel } from '../../src/jobs/dialects/dialect-channels.js'
import { connected, remoteCommandsOf } from '../../src/jobs/dialects/remote-commands.js'
import { COMMAND_KIND, JobId, JobProject, jobStream, NewJob } from '../../src/jobs/job.js'
import { namesOfJob, UNKNOWN_JOB } from '../../src/jobs/job-grants.js'
import { MAX_VARIABLES, Variable } from '../../src/jobs/project.js'
import { idempotencyHeader } from '../../src/log/idempotency.js'
import { WITHOUT_NULL } from '../../src/openapi/described.js'
import { Command } from '../../src/runner/command.js'
import { EVENT_STREAM } from '../stream-responses.js'
import { DialectQuery, followJob } from './job-stream.js'

const Params = Type.Object({ id: JobProject })
const Headers = Type.Object(
  idempotencyHeader('A repeated request with the same key queues one command; remembered for 24 hours.'),
)
const { id, priority, timeout_ms } = NewJob.properties
/** Names that every shell can read. */
const Variables = Type.Record(Variable, Type.String(WITHOUT_NULL), {
  additionalProperties: false,
  maxProperties: MAX_VARIABLES,
  description:
    'Environment variables of the command. Viewers see their names, only the runner sees their values.',
  examples: [{ CI: '1' }],
})
const Shell = Type.Object(
  { id, command: Command.properties.command, env: Type.Optional(Variables), priority, timeout_ms },
  { additionalProperties: false, examples: [{ command: 'npm test', env: { CI: '1' } }] },
)
const Started = Type.Object(
  { data: Type.Object({ id: Type.String({ description: 'The `stream_id` to follow.' }) }) },
  { description: 'Queued. A runner of the project will execute it.' },
)
const StreamOfCommand = Type.Object(
  {
    stream_id: { ...JobId, description: 'The `id` of the response to the command.' },
    ...DialectQuery.properties,
  },
  { additionalProperties: false },
)

const tags = ['remote commands']

function pathOf(project: string): string {
  return `/projects/${encodeURIComponent(project)}/events`
}

/** The scope of a stream cookie: one command of one project. */
function scopeOf(project: string, id: string): string {
  return `${pathOf(project)}?stream_id=${id}`
}

/** Params and query have not been validated. */
function scopeOfRequest({ params, query }: FastifyRequest): string | undefined {
  const [project, id] = [Object(params).id, Object(query).stream_id]
  return typeof project === 'string' && typeof id === 'string' ? scopeOf(project, id) : undefined
}

const routes: FastifyPluginAsyncTypebox = async app => {
  const starts = new CommandStarts()
  const encodingOf = (workspace: string) => remoteCommandsOf(starts.of(workspace))
  // Speaks to a client that is refused before its workspace is known.
  const refusal = encodingOf('')

  app.post(
    '/projects/:id/shell',
    {
      config: { access: 'editor', grants: 'job' },
      schema: {
        tags,
        operationId: 'runCommand',
        summary: 'Queue a command for a runner of the project',
        params: Params,
        headers: Headers,
        body: Shell,
        response: { 201: Started },
      },
    },
    async (request, reply) => {
      const { author, params, body } = request
      const { command, env, ...given } = body
      const { id: project } = params
      const { id: own = UNKNOWN_JOB } = given
      await app.grants.toPublish(request, jobStream(own), ['job.created'], namesOfJob(own, project))
      const { job, replayed } = await app.jobs.createOnce(
        author,
        { ...given, kind: COMMAND_KIND, project, payload: { command, ...(env && { env }) } },
        {
          origin: request.auditOrigin,
          idempotencyKey: request.headers['idempotency-key'],
          alongside: (on, { id }) =>
            reply.giveStreamCookie(on, {
              scope: scopeOf(project, id),
              last: 'events',
              path: pathOf(project),
            }),
        },
      )
      if (replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).send({ data: { id: job.id } })
    },
  )

  app.get(
    '/projects/:id/events',
    {
      config: {
        access: 'viewer',
        grants: 'job',
        stream: () => refusal,
        channels: [remoteCommandChannel],
        streamCookie: scopeOfRequest,
      },
      schema: {
        tags,
        operationId: 'followCommand',
        summary: 'Follow a command to its end',
        params: Params,
        querystring: StreamOfCommand,
        response: EVENT_STREAM,
      },
    },
    (request, reply) =>
      followJob(request, reply, {
        id: request.query.stream_id,
        encoding: encodingOf(request.principal.workspace),
        onFollowed: starts.of(request.principal.workspace).follow,
        shows: ({ kind, project }) => kind === COMMAND_KIND && project === request.params.id,
        opening: ({ job }) => ({ frames: [connected(job)] }),
      }),
  )
}

export default routes
