/** One job: its state, its output as it is written, its result and its files. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Job } from '../../../../src/jobs/job.ts'
import { useApi } from '../../api/api.ts'
import { announce } from '../../pieces/announcements.tsx'
import { Badge } from '../../pieces/badge.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { FormDialog } from '../../pieces/form-dialog.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { useNow } from '../../pieces/use-now.ts'
import { mayCreateJobs, mayPublish, streamsOfJob } from '../../session/granted.ts'
import { useSession } from '../../session/session.ts'
import { hrefOf } from '../../shell/route.ts'
import { StreamStatePill } from '../../stream/stream-state.tsx'
import { JobFacts } from './job-facts.tsx'
import { JobTerminal } from './job-terminal.tsx'
import { NoRunner } from './no-runner.tsx'
import { commandOf, hasEnded, outcomeOf, TONES, titleOf } from './outcome.ts'
import { RunCommand } from './run-command.tsx'
import { useJob } from './use-job.ts'

export function JobView({ id }: { id: string }) {
  const { principal } = useSession()
  const { requested, output, version, state, gap } = useJob(id)
  const { data: job, failure, retryAt, reload } = requested
  const [form, setForm] = useState<'cancel' | 'again'>()
  const now = useNow(job !== undefined && !hasEnded(job))
  const mayCancel = job && mayPublish(principal, streamsOfJob(id, job.project), 'job.cancelled')
  const mayRun = mayCreateJobs(principal)
  useAnnouncedEnd(job)
  const outcome = job && outcomeOf(job)
  return (
    <section>
      <p class="back">
        <a href={hrefOf('jobs')}>All jobs</a>
      </p>
      <PageHeading title={job ? titleOf(job) : `Job ${id}`}>
        {job && <Badge text={job.status} tone={TONES[job.status]} />}
        {job && mayCancel && !hasEnded(job) && (
          <button type="button" class="quiet" onClick={() => setForm('cancel')}>
            Cancel the job
          </button>
        )}
        {job && mayRun && hasEnded(job) && commandOf(job) !== undefined && (
          <button type="button" class="quiet" onClick={() => setForm('again')}>
            Run again
          </button>
        )}
      </PageHeading>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!job && !failure && <Loading what="the job" />}
      {job && outcome && (
        <p class="outcome" data-status={job.status}>
          {outcome}
          {job.status === 'interrupted' && mayRun && ' Run it again when a runner is there.'}
        </p>
      )}
      {job?.status === 'queued' && <NoRunner job={job} now={now} />}
      {job && (
        <div class="columns wide-left">
          <div>
            <JobTerminal
              id={id}
              job={job}
              output={output}
              version={version}
              pill={<StreamStatePill state={state} />}
            />
            {state.name === 'refused' && <Failure failure={state.failure} />}
            {gap && <p class="notice">{gap} Download the output for what is still stored.</p>}
          </div>
          <JobFacts job={job} now={now} output={output} />
        </div>
      )}
      {job && form === 'cancel' && <CancelJob job={job} onClose={() => setForm(undefined)} onDone={reload} />}
      {job && form === 'again' && <RunCommand like={job} onClose={() => setForm(undefined)} />}
    </section>
  )
}

/** For screen readers, and for people who look elsewhere: only an end that happens while the page is open. */
function useAnnouncedEnd(job: Job | undefined): void {
  const before = useRef<Job['status'] | undefined>(undefined)
  useEffect(() => {
    if (!job) return
    const wasRunning = before.current === 'queued' || before.current === 'running'
    if (wasRunning && hasEnded(job)) announce(outcomeOf(job) ?? `The job is ${job.status}.`)
    before.current = job.status
  }, [job])
}

interface CancelJobProps {
  readonly job: Job
  readonly onClose: () => void
  readonly onDone: () => void
}

function CancelJob({ job, onClose, onDone }: CancelJobProps) {
  const api = useApi()
  return (
    <FormDialog
      title="Cancel the job"
      action="Cancel the job"
      isDangerous
      onClose={onClose}
      onSubmit={async () => {
        await api.send('POST', `api/jobs/${encodeURIComponent(job.id)}/cancel`)
        onClose()
        onDone()
      }}
      remedyOf={({ problem }) =>
        problem.code === 'job-ended' && (
          <p class="notice" role="alert">
            The job has ended meanwhile: there is nothing to cancel.
          </p>
        )
      }
    >
      <p>
        The job ends at once and has no result. Its runner ends the command within a second, and what it has
        written so far stays here.
      </p>
    </FormDialog>
  )
}
