/**
 * Commands in projects with members are hidden from everybody else in the workspace, by whatever route the stream of a job is read.
 */
import type { FastifyRequest } from 'fastify'
import { reachOf } from '../src/auth/grants/reach.js'
import { inWorkspace } from '../src/database/workspace.js'
import { jobOfStream } from '../src/jobs/job.js'
import { selectJob } from '../src/jobs/job-reads.js'
import { memberOf } from '../src/jobs/project-rules.js'
import { notFound } from '../src/problems/problem.js'

/**
 * Does nothing for a stream that is not that of a job.
 * @param what the noun of the 404.
 * @throws {Problem} 404 `not-found` if there is no such job for this caller.
 */
export async function assertVisible(
  { server, principal }: FastifyRequest,
  stream: string,
  what = 'stream',
): Promise<void> {
  const id = jobOfStream(stream)
  const member = memberOf(principal)
  if (id === undefined || member === null) return
  const { workspace } = principal
  const found = await inWorkspace(server.database, reachOf(principal), client =>
    selectJob(client, workspace, id, member),
  )
  if (found === undefined) throw notFound(what)
}
