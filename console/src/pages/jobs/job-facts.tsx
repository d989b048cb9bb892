/** The facts of a job besides its output: times, attempts, progress, files, result. */
import { useState } from 'preact/hooks'
import type { Job } from '../../../../src/jobs/job.ts'
import { useApi } from '../../api/api.ts'
import { asProblem, type ProblemError } from '../../api/problem.ts'
import { duration } from '../../pieces/duration.ts'
import { Facts } from '../../pieces/facts.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { JsonTree } from '../../pieces/json-tree.tsx'
import { Moment } from '../../pieces/moment.tsx'
import type { Artifact, JobOutput, Progress } from './job-output.ts'
import { commandOf, hasEnded, runningTime } from './outcome.ts'

export function JobFacts({ job, now, output }: { job: Job; now: number; output: JobOutput }) {
  const running = runningTime(job, now)
  const command = commandOf(job)
  return (
    <div class="stack">
      {output.progress && !hasEnded(job) && <ProgressBar progress={output.progress} />}
      <section class="card panel" aria-labelledby="facts-title">
        <h2 id="facts-title">The job</h2>
        {command !== undefined && job.title !== null && <code class="command">{command}</code>}
        <Facts
          facts={[
            ['Time', running !== undefined && duration(running)],
            ['Attempt', job.attempt > 0 && `${job.attempt} of ${job.max_attempts}`],
            ['Runner', job.runner],
            ['Kind', job.kind],
            ['Project', job.project],
            ['Priority', job.priority > 0 && job.priority],
            ['Time limit', job.timeout_ms !== null && duration(job.timeout_ms)],
            ['Created', <Moment key="created" at={job.created_at} long />],
            ['Started', job.started_at && <Moment key="started" at={job.started_at} long />],
            ['Ended', job.ended_at && <Moment key="ended" at={job.ended_at} long />],
            ['Created by', job.created_by],
            ['Id', <code key="id">{job.id}</code>],
          ]}
        />
      </section>
      {output.artifacts.length > 0 && <Artifacts job={job} artifacts={output.artifacts} />}
      {job.result !== null && (
        <section class="card panel" aria-labelledby="result-title">
          <h2 id="result-title">Result</h2>
          <JsonTree value={job.result} />
        </section>
      )}
      <section class="card panel" aria-labelledby="payload-title">
        <h2 id="payload-title">Payload</h2>
        <JsonTree value={job.payload} open={1} />
      </section>
    </div>
  )
}

function ProgressBar({ progress: { part, text } }: { progress: Progress }) {
  return (
    <div class="card panel">
      <span class="hint">Progress: {text}</span>
      <progress aria-label="Progress" {...(part !== undefined && { value: part, max: 1 })} />
    </div>
  )
}

function Artifacts({ job, artifacts }: { job: Job; artifacts: readonly Artifact[] }) {
  const api = useApi()
  const [failure, setFailure] = useState<ProblemError>()
  const open = async ({ path }: Artifact) => {
    try {
      setFailure(undefined)
      const run = await api.get<Run>(`api/v1/runs/${encodeURIComponent(job.id)}`)
      const found = run.artifacts.find(({ url }) => pathIn(url).endsWith(`/${path}`))
      if (!found)
        throw new Error(
          'The gateway has no such file. It needs ARTIFACTS_DIR, and the runner must write there.',
        )
      // The link is signed and ends soon, so each click gets a new one. It is a download: the page stays.
      location.assign(found.url.replace(/^\//, new URL('.', document.baseURI).pathname))
    } catch (error) {
      setFailure(asProblem(error))
    }
  }
  return (
    <section class="card panel" aria-labelledby="artifacts-title">
      <h2 id="artifacts-title">Files</h2>
      {failure && <Failure failure={failure} />}
      <ul class="artifacts">
        {artifacts.map((artifact, index) => (
          <li key={`${index} ${artifact.path}`}>
            <button type="button" class="quiet" onClick={() => void open(artifact)}>
              {artifact.name}
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}

interface Run {
  readonly artifacts: readonly { readonly url: string }[]
}

function pathIn(url: string): string {
  return decodeURIComponent(url.split('?', 1)[0] ?? '')
}
