/** What to do when no runner takes a job. */
import type { Job } from '../../../../src/jobs/job.ts'
import { CopyButton } from '../../pieces/copy-button.tsx'
import { duration } from '../../pieces/duration.ts'
import { commandOf } from './outcome.ts'

/** A runner that waits takes a job at once. */
const PATIENCE_MS = 3_000

export function NoRunner({ job, now }: { job: Job; now: number }) {
  const waiting = now - Date.parse(job.created_at)
  if (waiting < PATIENCE_MS) return null
  const isCommand = commandOf(job) !== undefined
  const command = startOf(job)
  return (
    <div class="notice stack" role="status">
      <p>
        No runner has taken this job for <span aria-live="off">{duration(waiting)}</span>.{' '}
        {isCommand
          ? 'Start one, with a token or an API key of the role runner in SLUICE_TOKEN:'
          : `Start a program that claims jobs of the kind “${job.kind}”.`}
      </p>
      {isCommand && (
        <div class="row">
          <code class="command">{command}</code>
          <CopyButton text={command}>Copy</CopyButton>
        </div>
      )}
    </div>
  )
}

function startOf({ project }: Job): string {
  const gateway = new URL('.', document.baseURI).href.replace(/\/$/, '')
  return `sluice runner --project ${quoted(project ?? 'NAME')} --dir . --url ${gateway}`
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
