/** What is told about a job while it runs: its events, its end, and that somebody else may have it. */
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { invalidRequest } from '../src/http/request-faults.js'
import { type Fence, Job, JobEnd, JobId } from '../src/jobs/job.js'
import { attemptMissing } from '../src/jobs/job-problem.js'
import type { AppendOptions, Jobs } from '../src/jobs/jobs.js'
import { NewEvent, OneOrMany } from '../src/log/event.js'
import { Placed, placedOf } from '../src/log/receipt.js'
import { Fencing, fenceOf } from './job-fence.js'

const LINES = 'application/x-ndjson'

const Params = Type.Object({ id: JobId })
const AppendHeaders = Type.Object({
  ...Fencing.properties,
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        'Makes a repeated request store its events once, for 24 hours. Lines with a key are stored when enough have ' +
        'come, not as they come.',
    }),
  ),
})
type ReportRequest = FastifyRequest<{ Headers: { 'x-job-attempt'?: number; 'idempotency-key'?: string } }>

const Appended = Type.Object(
  {
    events: Type.Optional(Type.Array(Placed, { description: 'Of JSON: the place of each event.' })),
    stored: Type.Optional(Type.Integer({ description: 'Of lines: how many events were stored.' })),
  },
  { description: 'Stored.' },
)
const Lines = Type.Unknown({ description: 'One `{"type":…,"data":…}` a line, any number of them.' })
/** A request without a body has null here. */
const OptionalEnd = Type.Unsafe<JobEnd | null>({ ...JobEnd, type: ['object', 'null'] })

const tags = ['jobs']
const both = { access: ['editor', 'runner'] } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  app.addContentTypeParser(LINES, (_request, payload, done) => done(null, payload))

  app.post(
    '/api/jobs/:id/events',
    {
      config: both,
      schema: {
        tags,
        operationId: 'appendJobEvents',
        summary: 'Add an event to a job, or several',
        description: 'JSON is stored all or not at all; lines are stored while they arrive.',
        params: Params,
        headers: AppendHeaders,
        body: { content: { 'application/json': { schema: OneOrMany }, [LINES]: { schema: Lines } } },
        response: { 201: Appended },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const options = { ...claimOf(request), idempotencyKey: request.headers['idempotency-key'] }
      if (request.headers['content-type']?.startsWith(LINES)) {
        return reply.code(201).send({ stored: await storeLines(request, id, options) })
      }
      const receipt = await append(request, id, options)
      if (receipt.replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).send({ events: receipt.events.map(placedOf) })
    },
  )

  for (const [name, status] of [
    ['complete', 'completed'],
    ['fail', 'failed'],
  ] as const) {
    app.post(
      `/api/jobs/:id/${name}`,
      {
        config: both,
        schema: {
          tags,
          operationId: `${name}Job`,
          summary: `End a job as ${status}`,
          params: Params,
          headers: Fencing,
          body: OptionalEnd,
          response: { 200: Job },
        },
      },
      request => {
        const { principal, params, body } = request
        return app.jobs.finish(principal, params.id, status, body ?? {}, claimOf(request))
      },
    )
  }

  app.post(
    '/api/jobs/:id/release',
    {
      config: { access: 'runner' },
      schema: {
        tags,
        operationId: 'releaseJob',
        summary: 'Hand a job back to the queue',
        description: 'It keeps its place there.',
        params: Params,
        headers: Fencing,
        response: { 200: Job },
      },
    },
    request => {
      const { attempt } = claimOf(request)
      if (attempt === undefined) throw attemptMissing()
      return app.jobs.handBack(request.principal, request.params.id, attempt)
    },
  )

  /** Then lets go of the body, whose objects take up to twenty times its bytes. */
  function append(request: ReportRequest, id: string, options: AppendOptions): ReturnType<Jobs['append']> {
    const events = [request.body as NewEvent | NewEvent[]].flat()
    request.body = undefined
    return app.jobs.append(request.principal, id, events, options)
  }

  async function storeLines(request: ReportRequest, id: string, options: AppendOptions): Promise<number> {
    const { principal, hold = () => {} } = request
    const received = request.body as Readable
    // Not destroyed when a line is refused: the rest still has to be read.
    const body = received.iterator({ destroyOnReturn: false })
    const watch = app.guard.watch(principal)
    try {
      const lines = { body, signal: watch.signal, hold }
      return await app.jobs.upload(
        principal,
        id,
        { ...lines, parse: line => eventIn(request, line) },
        options,
      )
    } finally {
      watch.stop()
      // A sender that finds nobody reading would never come to read its refusal.
      received.on('data', () => {})
    }
  }

  function eventIn(request: FastifyRequest, line: string): NewEvent {
    let refused: Error | null = null
    let value: unknown
    app.parseJson(request, line, (error, parsed) => {
      refused = error
      value = parsed
    })
    if (refused) throw refused
    const validate = request.compileValidationSchema(NewEvent, 'body')
    if (!validate(value)) throw invalidRequest(validate.errors ?? [], 'line')
    return value as NewEvent
  }
}

/** @throws {Problem} 400 `attempt-missing` for a runner that names no attempt. */
function claimOf(request: ReportRequest): Fence {
  const fence = fenceOf(request)
  if (fence.attempt === undefined && fence.holder !== undefined) throw attemptMissing()
  return fence
}

export default routes
