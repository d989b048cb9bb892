/** The jobs of the workspace, newest first, as they change. */
import { useState } from 'preact/hooks'
import type { Job } from '../../../../src/jobs/job.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge } from '../../pieces/badge.tsx'
import { duration } from '../../pieces/duration.ts'
import { Empty } from '../../pieces/empty.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { useNow } from '../../pieces/use-now.ts'
import { mayCreateJobs } from '../../session/granted.ts'
import { useSession } from '../../session/session.ts'
import { hrefOf } from '../../shell/route.ts'
import { useChanges } from '../../stream/use-changes.ts'
import { hasEnded, runningTime, STATUSES, TONES, titleOf } from './outcome.ts'
import { RunCommand } from './run-command.tsx'

interface JobPage {
  readonly jobs: readonly Job[]
  readonly next_cursor: string | null
}

const FILTERS = ['status', 'kind', 'project'] as const

export function JobList({ query }: { query: URLSearchParams }) {
  const { principal } = useSession()
  const filter = Object.fromEntries(FILTERS.map(name => [name, query.get(name) ?? '']))
  const pages = usePages<JobPage, Job>('api/jobs', filter, page => page.jobs)
  const [isStarting, setStarting] = useState(false)
  const now = useNow(pages.data?.some(job => !hasEnded(job)) ?? false)
  const mayRun = mayCreateJobs(principal)
  useChanges('job.*', pages.reload)
  const columns = [
    { title: 'Job', cell: (job: Job) => <JobLink job={job} /> },
    { title: 'Status', cell: ({ status }: Job) => <Badge text={status} tone={TONES[status]} /> },
    { title: 'Kind', cell: ({ kind }: Job) => kind, isShort: true },
    { title: 'Project', cell: ({ project }: Job) => project ?? '–' },
    { title: 'Runner', cell: ({ runner }: Job) => runner ?? '–' },
    { title: 'Created', cell: ({ created_at }: Job) => <Moment at={created_at} long /> },
    { title: 'Time', cell: (job: Job) => timeOf(job, now), isNumber: true },
  ]
  return (
    <section>
      <PageHeading title="Jobs">
        {mayRun && (
          <button type="button" onClick={() => setStarting(true)}>
            Run a command
          </button>
        )}
      </PageHeading>
      <FilterForm query={query} hrefFor={given => hrefOf('jobs', [], given)}>
        <label>
          Status
          <select name="status" defaultValue={filter.status ?? ''}>
            <option value="">any</option>
            {STATUSES.map(status => (
              <option key={status} selected={status === filter.status}>
                {status}
              </option>
            ))}
          </select>
        </label>
        <label>
          Kind
          <input name="kind" defaultValue={filter.kind ?? ''} placeholder="any, or command" maxLength={32} />
        </label>
        <label>
          Project
          <input name="project" defaultValue={filter.project ?? ''} placeholder="any" maxLength={128} />
        </label>
      </FilterForm>
      <PagedTable
        caption="Jobs, newest first"
        columns={columns}
        keyOf={({ id }) => id}
        pages={pages}
        empty={<NoJobs isFiltered={FILTERS.some(name => filter[name])} mayRun={mayRun} />}
      />
      {isStarting && <RunCommand onClose={() => setStarting(false)} />}
    </section>
  )
}

function JobLink({ job }: { job: Job }) {
  return (
    <a class="clipped" href={hrefOf('jobs', [job.id])}>
      {titleOf(job)}
    </a>
  )
}

function timeOf(job: Job, now: number): string {
  const running = runningTime(job, now)
  return running === undefined ? '–' : duration(running)
}

function NoJobs({ isFiltered, mayRun }: { isFiltered: boolean; mayRun: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No job is like that">
        <p>
          Choose another filter, or <a href={hrefOf('jobs')}>show all jobs</a>.
        </p>
      </Empty>
    )
  }
  return (
    <Empty title="No jobs yet">
      <p>
        {mayRun
          ? 'Run a command: a runner executes it, and its output appears here as it is written.'
          : 'Your role may only read. Jobs that others start appear here at once.'}
      </p>
    </Empty>
  )
}
