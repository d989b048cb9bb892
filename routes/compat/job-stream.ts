/** Query and response of a job's stream in a dialect. The dialects differ only in their messages. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { whenClosed } from '../../src/http/client-disconnect.js'
import type { Opening } from '../../src/hub/start.js'
import { type Job, jobStream } from '../../src/jobs/job.js'
import { DIALECT_TYPES } from '../../src/jobs/job-grants.js'
import type { JobSnapshot } from '../../src/jobs/job-reads.js'
import { notFound } from '../../src/problems/problem.js'
import type { Encoding } from '../../src/sse/encoding.js'
import { lastEventId, StreamQuery } from '../stream-query.js'

export const DialectQuery = Type.Pick(StreamQuery, ['token', 'ticket', 'last_event_id'], {
  additionalProperties: false,
})

export interface JobFollow {
  readonly id: string
  readonly encoding: Encoding
  /** Whether the route shows this job; any other job is 404. Default: every job. */
  readonly shows?: (job: Job) => boolean
  /** Called with a job that is shown; the function that it returns is called when the response has ended. */
  readonly onFollowed?: (job: Job) => () => void
  /** Sent first, unless the client resumes after an event id. Default: nothing, and the events from the beginning. */
  readonly opening?: (snapshot: JobSnapshot) => Opening | Promise<Opening>
  /** Clients of one job in this process; default: only the limits of the process. */
  readonly maxFollowers?: number
}

export function followJob(
  request: FastifyRequest,
  reply: FastifyReply,
  { id, encoding, shows = () => true, onFollowed, opening, maxFollowers }: JobFollow,
): Promise<FastifyReply> {
  const { jobs } = request.server
  const resumed = lastEventId(request)
  return reply.follow({
    stream: jobStream(id),
    encoding,
    dialect: encoding.name,
    what: 'job',
    types: DIALECT_TYPES,
    from: resumed ?? { at: 'beginning' },
    ...(maxFollowers !== undefined && { maxFollowers }),
    async opening() {
      const snapshot = await jobs.snapshot(request.principal, id)
      if (!shows(snapshot.job)) throw notFound('job')
      if (onFollowed) whenClosed(reply.raw, onFollowed(snapshot.job))
      return resumed === undefined && opening ? opening(snapshot) : { frames: [] }
    },
  })
}
