/** Reports on a running job: its events, its end, and its return to the queue. */
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { StreamGrant } from '../src/auth/grants/stream-grant.js'
import { NDJSON } from '../src/bytes/media-type.js'
import { invalidRequest } from '../src/http/request-faults.js'
import { type Fence, Job, JobEnd, JobId, jobStream } from '../src/jobs/job.js'
import { attemptMissing } from '../src/jobs/job-problem.js'
import type { AppendOptions } from '../src/jobs/jobs.js'
import { NewEvent, OneOrMany } from '../src/log/event.js'
import { idempotencyHeader } from '../src/log/idempotency.js'
import { Placed, placedOf } from '../src/log/receipt.js'
import { Fencing, fenceOf } from './job-fence.js'

const Params = Type.Object({ id: JobId })
const AppendHeaders = Type.Object({
  ...Fencing.properties,
  ...idempotencyHeader(
    'A repeated request with the same key stores its events once; remembered for 24 hours. Lines with a key are ' +
      'stored in batches, not as they arrive.',
  ),
})
type ReportRequest = FastifyRequest<{ Headers: { 'x-job-attempt'?: number; 'idempotency-key'?: string } }>

const Appended = Type.Object(
  {
    events: Type.Optional(Type.Array(Placed, { description: 'For JSON: the place of each event.' })),
    stored: Type.Optional(Type.Integer({ description: 'For lines: the number of stored events.' })),
  },
  { description: 'Stored.' },
)
const Lines = Type.Unknown({
  description: 'Any number of lines, each `{"type":…,"data":…}`.',
  examples: ['{"type":"output","data":{"line":"ok 1","stream":"stdout"}}\n'],
})
/** Null for a request without a body. */
const OptionalEnd = Type.Unsafe<JobEnd | null>({ ...JobEnd, type: ['object', 'null'] })

const tags = ['jobs']
const both = { access: ['editor', 'runner'], grants: 'job' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  app.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload))

  app.post(
    '/api/jobs/:id/events',
    {
      config: both,
      schema: {
        tags,
        operationId: 'appendJobEvents',
        summary: 'Report one event of a job or several',
        description: 'JSON events are stored all or none; lines are stored while they arrive.',
        params: Params,
        headers: AppendHeaders,
        body: { content: { 'application/json': { schema: OneOrMany }, [NDJSON]: { schema: Lines } } },
        response: { 201: Appended },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const options = { ...claimOf(request), idempotencyKey: request.headers['idempotency-key'] }
      if (request.headers['content-type']?.startsWith(NDJSON)) {
        return reply.code(201).send({ stored: await storeLines(request, id, options) })
      }
      const events = [request.body as NewEvent | NewEvent[]].flat()
      // The objects of a body take up to twenty times its bytes.
      request.body = undefined
      const types = events.map(({ type }) => type)
      await app.grants.toPublish(request, jobStream(id), types)
      const receipt = await app.jobs.append(request.author, id, events, options)
      if (receipt.replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).send({ events: receipt.events.map(placedOf) })
    },
  )

  for (const [name, status] of [
    ['complete', 'completed'],
    ['fail', 'failed'],
    ['abort', 'aborted'],
  ] as const) {
    app.post(
      `/api/jobs/:id/${name}`,
      {
        config: both,
        schema: {
          tags,
          operationId: `${name}Job`,
          summary: `Report a job as ${status}`,
          params: Params,
          headers: Fencing,
          body: OptionalEnd,
          response: { 200: Job },
        },
      },
      async request => {
        const { principal, params, body, auditOrigin } = request
        await app.grants.toPublish(request, jobStream(params.id), [`job.${status}`])
        return app.jobs.finish(principal, params.id, status, body ?? {}, claimOf(request), auditOrigin)
      },
    )
  }

  app.post(
    '/api/jobs/:id/release',
    {
      config: { access: 'runner', grants: 'job' },
      schema: {
        tags,
        operationId: 'releaseJob',
        summary: 'Return a job to the queue',
        description: 'The job keeps its place in the queue.',
        params: Params,
        headers: Fencing,
        response: { 200: Job },
      },
    },
    async request => {
      await app.grants.toPublish(request, jobStream(request.params.id), ['job.requeued'])
      const { attempt } = claimOf(request)
      if (attempt === undefined) throw attemptMissing()
      return app.jobs.handBack(request.principal, request.params.id, attempt)
    },
  )

  async function storeLines(request: ReportRequest, id: string, options: AppendOptions): Promise<number> {
    const { principal, hold = () => {} } = request
    const received = request.body as Readable
    const granted = await app.grants.toPublish(request, jobStream(id), [])
    // If a line is refused, the body is not destroyed: the rest of it must still be read.
    const body = received.iterator({ destroyOnReturn: false })
    const watch = app.guard.watch(principal, granted)
    try {
      const lines = { body, signal: watch.signal, hold }
      return await app.jobs.upload(
        request.author,
        id,
        { ...lines, parse: line => eventIn(request, line, granted) },
        options,
      )
    } finally {
      watch.stop()
      // If the gateway stopped reading, the sender would block and never read the refusal.
      received.on('data', () => {})
    }
  }

  function eventIn(request: FastifyRequest, line: string, granted: StreamGrant): NewEvent {
    let refused: Error | null = null
    let value: unknown
    app.parseJson(request, line, (error, parsed) => {
      refused = error
      value = parsed
    })
    if (refused) throw refused
    const validate = request.compileValidationSchema(NewEvent, 'body')
    if (!validate(value)) throw invalidRequest(validate.errors ?? [], 'line')
    const event = value as NewEvent
    granted.assertType(event.type)
    return event
  }
}

/** @throws {Problem} 400 `attempt-missing` if a runner names no attempt. */
function claimOf(request: ReportRequest): Fence {
  const fence = fenceOf(request)
  if (fence.attempt === undefined && fence.holder !== undefined) throw attemptMissing()
  return fence
}

export default routes
