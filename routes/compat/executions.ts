/** /api/executions: orchestrations that an application drives, and that clients follow task by task. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Principal } from '../../src/auth/principal.js'
import { executionChannel } from '../../src/jobs/dialects/dialect-channels.js'
import {
  EXECUTION_COMPLETE,
  Execution,
  ExecutionEvent,
  endOf,
  executionOf,
  jobOfExecution,
  NewExecution,
  PlacedInExecution,
  placedInExecution,
} from '../../src/jobs/dialects/execution.js'
import { executions } from '../../src/jobs/dialects/executions.js'
import { EXECUTION_KIND, type Job, JobId, jobStream } from '../../src/jobs/job.js'
import { DIALECT_TYPES, namesOfJob, UNKNOWN_JOB } from '../../src/jobs/job-grants.js'
import { attemptMissing } from '../../src/jobs/job-problem.js'
import { type NewEvent, oneOrMany } from '../../src/log/event.js'
import { idempotencyHeader } from '../../src/log/idempotency.js'
import { notFound, Problem } from '../../src/problems/problem.js'
import { CLIENTS_OF_JOB, countClients } from '../job-clients.js'
import { Fencing, fenceOf } from '../job-fence.js'
import { EVENT_STREAM } from '../stream-responses.js'
import { DialectQuery, followJob } from './job-stream.js'

const Params = Type.Object({ executionId: JobId })

const CreatedExecution = Type.Object(Execution.properties, {
  description: 'Started.',
  headers: { location: Type.String({ description: 'The path of the execution.' }) },
})
const WatchedExecution = Type.Object({
  ...Execution.properties,
  clients: Type.Integer({ description: CLIENTS_OF_JOB }),
})
const Stored = Type.Object({ events: Type.Array(PlacedInExecution) })

const CreationHeaders = Type.Object(
  idempotencyHeader('A repeated request with the same key starts one execution; remembered for 24 hours.'),
)
const Headers = Type.Object({
  ...Fencing.properties,
  ...idempotencyHeader(),
})

const tags = ['executions']

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/executions',
    {
      config: { access: 'editor', grants: 'job' },
      schema: {
        tags,
        operationId: 'startExecution',
        summary: 'Start an execution',
        headers: CreationHeaders,
        body: NewExecution,
        response: { 201: CreatedExecution },
      },
    },
    async (request, reply) => {
      const given = jobOfExecution(request.body)
      const { id = UNKNOWN_JOB } = given
      await app.grants.toPublish(request, jobStream(id), ['job.started'], namesOfJob(id, given.project))
      const { job, replayed } = await app.jobs.createOnce(request.author, given, {
        status: 'running',
        idempotencyKey: request.headers['idempotency-key'],
      })
      if (replayed) reply.header('idempotency-replayed', 'true')
      return reply
        .code(201)
        .header('location', `${app.prefix}/api/executions/${job.id}`)
        .send(executionOf(job))
    },
  )

  app.get(
    '/api/executions/:executionId',
    {
      config: { access: 'viewer', grants: 'job' },
      schema: {
        tags,
        operationId: 'getExecution',
        summary: 'Get an execution',
        params: Params,
        response: { 200: WatchedExecution },
      },
    },
    async request => {
      const { workspace } = request.principal
      await app.grants.toRead(request, jobStream(request.params.executionId), 'job', DIALECT_TYPES)
      const snapshot = await app.jobs.snapshot(request.principal, request.params.executionId)
      if (!isExecution(snapshot.job)) throw notFound('job')
      return { ...executionOf(snapshot.job), clients: await countClients(app, workspace, snapshot) }
    },
  )

  app.post(
    '/api/executions/:executionId/events',
    {
      config: { access: ['editor', 'runner'], grants: 'job' },
      schema: {
        tags,
        operationId: 'reportExecution',
        summary: 'Report events of an execution; `execution-complete` ends it',
        params: Params,
        headers: Headers,
        body: oneOrMany(ExecutionEvent),
        response: { 200: Execution, 201: Stored },
      },
    },
    async (request, reply) => {
      const { principal, body } = request
      await app.grants.toPublish(request, jobStream(request.params.executionId), typesOf(body))
      const { id, runner } = await find(principal, request.params.executionId)
      const fence = fenceOf(request)
      if (runner !== null && fence.holder !== undefined && fence.attempt === undefined) throw attemptMissing()
      if (!Array.isArray(body) && body.type === EXECUTION_COMPLETE) {
        const end = { result: body.data }
        return executionOf(
          await app.jobs.finish(principal, id, endOf(body.data), end, fence, request.auditOrigin),
        )
      }
      const events = [body].flat()
      refuseEndAmong(events)
      const idempotencyKey = request.headers['idempotency-key']
      const receipt = await app.jobs.append(request.author, id, events, { ...fence, idempotencyKey })
      if (receipt.replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).send({ events: receipt.events.map(placedInExecution) })
    },
  )

  app.post(
    '/api/executions/:executionId/cancel',
    {
      config: { access: 'editor', grants: 'job' },
      schema: {
        tags,
        operationId: 'cancelExecution',
        summary: 'Cancel an execution',
        params: Params,
        response: { 200: Execution },
      },
    },
    async request => {
      await app.grants.toPublish(request, jobStream(request.params.executionId), ['job.cancelled'])
      const { id } = await find(request.principal, request.params.executionId)
      return executionOf(await app.jobs.cancel(request.principal, id, request.auditOrigin))
    },
  )

  app.get(
    '/api/executions/:executionId/events',
    {
      config: { access: 'viewer', grants: 'job', stream: () => executions, channels: [executionChannel] },
      schema: {
        tags,
        operationId: 'followExecution',
        summary: 'Follow an execution to its end',
        params: Params,
        querystring: DialectQuery,
        response: EVENT_STREAM,
      },
    },
    (request, reply) =>
      followJob(request, reply, {
        id: request.params.executionId,
        encoding: executions,
        shows: isExecution,
      }),
  )

  async function find(caller: Principal, id: string): Promise<Job> {
    const { job } = await app.jobs.snapshot(caller, id, 'publish')
    if (!isExecution(job)) throw notFound('job')
    return job
  }
}

export default routes

/** @throws {Problem} 400 `reserved-type`. */
function refuseEndAmong(events: readonly NewEvent[]): void {
  if (events.every(({ type }) => type !== EXECUTION_COMPLETE)) return
  const detail = `${EXECUTION_COMPLETE} ends the execution. Send it alone, after all other events.`
  throw new Problem(400, 'reserved-type', detail)
}

/** The end of an execution is stored as that of its job. */
function typesOf(body: NewEvent | NewEvent[]): string[] {
  return [body]
    .flat()
    .map(({ type, data }) =>
      type === EXECUTION_COMPLETE && !Array.isArray(body) ? `job.${endOf(data)}` : type,
    )
}

function isExecution({ kind }: Job): boolean {
  return kind === EXECUTION_KIND
}
