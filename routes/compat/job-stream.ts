/** How the dialects of job streams are asked for and answered: the same for each but for what it says. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Opening } from '../../src/hub/start.js'
import { type Job, jobStream } from '../../src/jobs/job.js'
import type { JobSnapshot } from '../../src/jobs/jobs.js'
import { notFound } from '../../src/problems/problem.js'
import type { Encoding } from '../../src/sse/encoding.js'
import { lastEventId, StreamQuery } from '../stream-query.js'

export const DialectQuery = Type.Pick(StreamQuery, ['token', 'ticket', 'last_event_id'], {
  additionalProperties: false,
})

export interface JobFollow {
  readonly id: string
  readonly encoding: Encoding
  /** Whether the route shows such a job; others look as if they did not exist. Default: every job. */
  readonly shows?: (job: Job) => boolean
  /** What a client hears first, unless it comes back with an event id. Default nothing, from the beginning. */
  readonly opening?: (snapshot: JobSnapshot) => Opening | Promise<Opening>
  /** Clients of one job in this process; default: no limit but the process's own. */
  readonly maxFollowers?: number
}

export function followJob(
  request: FastifyRequest,
  reply: FastifyReply,
  { id, encoding, shows = () => true, opening, maxFollowers }: JobFollow,
): Promise<FastifyReply> {
  const { jobs } = request.server
  const { workspace } = request.principal
  const resumed = lastEventId(request)
  return reply.follow({
    stream: jobStream(id),
    encoding,
    from: resumed ?? { at: 'beginning' },
    ...(maxFollowers !== undefined && { maxFollowers }),
    async opening() {
      const snapshot = await jobs.snapshot(workspace, id)
      if (!shows(snapshot.job)) throw notFound('job')
      return resumed === undefined && opening ? opening(snapshot) : { frames: [] }
    },
  })
}
