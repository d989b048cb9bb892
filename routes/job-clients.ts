/** The number of clients that follow a job, over all nodes. */
import type { FastifyInstance } from 'fastify'
import { jobStream } from '../src/jobs/job.js'
import type { JobSnapshot } from '../src/jobs/job-reads.js'

export const CLIENTS_OF_JOB =
  'The number of clients that follow the job: through this process now, and through the others at their last heartbeat, 2 s ago ' +
  'at most.'

/** @param snapshot read inside `workspace`, so that the stream is its own. */
export async function countClients(
  { hub, cluster }: FastifyInstance,
  workspace: string,
  { job, stream }: Pick<JobSnapshot, 'job' | 'stream'>,
): Promise<number> {
  const { clients } = await cluster.clientsElsewhere(stream)
  return hub.followers(workspace, jobStream(job.id)) + clients
}
