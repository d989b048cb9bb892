/** /api/jobs: jobs and their queue, for callers and for runners. The reports of runners are in routes/job-reports.ts. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { grantsChanged } from '../src/auth/grants/grant-problem.js'
import { disconnectSignal } from '../src/http/client-disconnect.js'
import {
  Claim,
  ClaimedJob,
  Heartbeat,
  Job,
  JobId,
  JobKind,
  JobProject,
  JobStatus,
  jobStream,
  NewJob,
} from '../src/jobs/job.js'
import { JOB_TYPES, jobsToClaim, namesOfJob, UNKNOWN_JOB } from '../src/jobs/job-grants.js'
import { tooManyStreams } from '../src/limits/stream-slots.js'
import { FEED } from '../src/log/event.js'
import { formatEventId } from '../src/log/event-id.js'
import { idempotencyHeader } from '../src/log/idempotency.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { claimDecision, listGrantedJobs } from './granted-jobs.js'
import { CLIENTS_OF_JOB, countClients } from './job-clients.js'

const Params = Type.Object({ id: JobId })

const Query = Type.Object(
  {
    status: Type.Optional(JobStatus),
    kind: Type.Optional(JobKind),
    project: Type.Optional(JobProject),
    ...pageQuery('Maximum number of jobs on the page.'),
  },
  { additionalProperties: false },
)

const Location = { location: Type.String({ description: 'The path of the job.' }) }
const headOf = (what: string) => ({
  'x-sluice-head': Type.String({
    description: `The event id of the newest event of ${what} that the response includes. Follow it from there.`,
  }),
})

const CreatableJob = Type.Object(
  {
    ...NewJob.properties,
    started: Type.Optional(
      Type.Boolean({
        description: 'The job runs at once, without a runner or a lease: you execute it yourself.',
      }),
    ),
  },
  {
    additionalProperties: false,
    examples: [{ kind: 'command', project: 'website', payload: { command: 'npm test' } }],
  },
)
const CreationHeaders = Type.Object(
  idempotencyHeader('A repeated request with the same key creates one job; remembered for 24 hours.'),
)
const CreatedJob = Type.Object(Job.properties, { description: 'Created.', headers: Location })
const ReadJob = Type.Object(Job.properties, {
  description: 'The job.',
  headers: {
    ...headOf('the job'),
    'x-sluice-clients': Type.Integer({
      description: CLIENTS_OF_JOB,
    }),
  },
})
const JobPage = Type.Object(
  {
    jobs: Type.Array(Job),
    next_cursor: NextCursor,
  },
  { description: 'A page of jobs.', headers: headOf('the feed') },
)
const Claimed = Type.Object(
  { job: ClaimedJob },
  { description: 'The job is yours until `lease_expires_at`.' },
)
const NoJob = Type.Null({ description: 'The queue has no such job.' })
const Lease = Type.Object({ lease_expires_at: Type.String({ format: 'date-time' }) })

const tags = ['jobs']
const editor = { access: 'editor', grants: 'job' } as const
const runner = { access: 'runner', grants: 'job' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/jobs',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'createJob',
        summary: 'Queue a job',
        headers: CreationHeaders,
        body: CreatableJob,
        response: { 201: CreatedJob },
      },
    },
    async (request, reply) => {
      const { started, ...given } = request.body
      const { id = UNKNOWN_JOB, project } = given
      const types = [started ? 'job.started' : 'job.created']
      await app.grants.toPublish(request, jobStream(id), types, namesOfJob(id, project))
      const { job, replayed } = await app.jobs.createOnce(request.author, given, {
        status: started ? 'running' : 'queued',
        origin: request.auditOrigin,
        idempotencyKey: request.headers['idempotency-key'],
      })
      if (replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).header('location', `${app.prefix}/api/jobs/${job.id}`).send(job)
    },
  )

  app.get(
    '/api/jobs',
    {
      config: { access: 'viewer', grants: 'jobs' },
      schema: {
        tags,
        operationId: 'listJobs',
        summary: 'List jobs, newest first',
        querystring: Query,
        response: { 200: JobPage },
      },
    },
    async (request, reply) => {
      const { page, head } = await listGrantedJobs(request, request.query)
      // The head is that of the feed, which the caller may not be allowed to read.
      if (head !== undefined && (await app.grants.reads(request, FEED))) reply.header('x-sluice-head', head)
      reply.header('cache-control', 'private, no-cache')
      return page
    },
  )

  app.get(
    '/api/jobs/:id',
    {
      config: { access: ['viewer', 'runner'], grants: 'job' },
      schema: {
        tags,
        operationId: 'getJob',
        summary: 'Get a job',
        params: Params,
        response: { 200: ReadJob },
      },
    },
    async (request, reply) => {
      const { workspace } = request.principal
      await app.grants.toRead(request, jobStream(request.params.id), 'job', JOB_TYPES)
      const { job, head, stream } = await app.jobs.snapshot(request.principal, request.params.id)
      const clients = await countClients(app, workspace, { job, stream })
      reply.headers({
        'x-sluice-head': formatEventId(head.position, head.eventId),
        'x-sluice-clients': clients,
        'cache-control': 'private, no-cache',
      })
      return job
    },
  )

  app.post(
    '/api/jobs/claim',
    {
      config: { access: 'runner', grants: 'jobs' },
      schema: {
        tags,
        operationId: 'claimJob',
        summary: 'Claim the first job of the queue',
        description:
          'The oldest of the jobs with the highest priority. With `wait_ms` the request waits for a job.',
        body: Claim,
        response: { 200: Claimed, 204: NoJob },
      },
    },
    async (request, reply) => {
      const { principal, body } = request
      // A waiting claim takes as many resources as a stream.
      const slot = body.wait_ms ? app.takeStreamSlot(request) : undefined
      if (typeof slot === 'string') throw tooManyStreams(slot)
      const grants = app.grants.of(request)
      const claim = { ...body, granted: jobsToClaim(grants), decided: claimDecision(request) }
      const job = await app.guard
        .whileGood(
          principal,
          disconnectSignal(reply.raw),
          signal => app.jobs.claim(principal, claim, signal),
          {
            assertHeldBy(now) {
              if (now?.key !== grants?.key) throw grantsChanged()
            },
          },
        )
        .finally(() => slot?.release())
      return job ? { job } : reply.code(204).send(null)
    },
  )

  app.post(
    '/api/jobs/:id/heartbeat',
    {
      // In maintenance too: a runner must not lose its job because of maintenance.
      config: { ...runner, inMaintenance: true },
      schema: {
        tags,
        operationId: 'extendLease',
        summary: 'Extend a lease',
        params: Params,
        body: Heartbeat,
        response: { 200: Lease },
      },
    },
    async request => {
      await app.grants.toPublish(request, jobStream(request.params.id), [])
      const until = await app.jobs.heartbeat(request.principal, request.params.id, request.body)
      return { lease_expires_at: until.toISOString() }
    },
  )

  app.post(
    '/api/jobs/:id/cancel',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'cancelJob',
        summary: 'Cancel a job',
        description:
          'The job has ended when the response arrives. Its runner learns that from its next request.',
        params: Params,
        response: { 200: Job },
      },
    },
    async request => {
      const { id } = request.params
      await app.grants.toPublish(request, jobStream(id), ['job.cancelled'])
      return app.jobs.cancel(request.principal, id, request.auditOrigin)
    },
  )
}

export default routes
