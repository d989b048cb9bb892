/** The jobs that a caller may read and claim. Lists and claims choose their jobs themselves, so each job is asked about. */
import type { FastifyRequest } from 'fastify'
import { JOB_TYPES, jobsToRead, namesOfJob, type QueuedJob } from '../src/jobs/job-grants.js'
import type { JobFilter } from '../src/jobs/job-reads.js'
import { filledPage } from '../src/paging/filled-page.js'
import type { PageRequest } from '../src/paging/page-query.js'

/** A page of granted jobs, and the head of the feed: the page includes every change up to it. */
export async function listGrantedJobs(request: FastifyRequest, query: PageRequest & JobFilter) {
  const { jobs, grants } = request.server
  let head: string | undefined
  const page = await filledPage(
    query,
    async more => {
      const filter = { ...query, ...more, granted: jobsToRead(grants.of(request)) }
      const { value, head: read } = await jobs.list(request.principal, filter)
      // The head of the first read: the others are later.
      head ??= read
      return { rows: value.jobs, next_cursor: value.next_cursor }
    },
    found =>
      grants.decided(request, 'subscribe', JOB_TYPES, found, ({ id, project }) => namesOfJob(id, project)),
  )
  return { page: { jobs: page.rows, next_cursor: page.next_cursor }, head }
}

/** Decides on queued jobs in their order; undefined if the grants alone decide. */
export function claimDecision(request: FastifyRequest) {
  const { grants } = request.server
  if (!grants.decides) return undefined
  return (found: readonly QueuedJob[]) =>
    grants.decided(request, 'publish', ['job.started'], found, ({ id, project }) => namesOfJob(id, project))
}
