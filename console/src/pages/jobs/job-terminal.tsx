/** The output of a job: a terminal with a search, following, and a download. */
import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { Job } from '../../../../src/jobs/job.ts'
import { useApi } from '../../api/api.ts'
import { asProblem } from '../../api/problem.ts'
import { announce } from '../../pieces/announcements.tsx'
import { useShortcut } from '../../shell/shortcuts.tsx'
import { TerminalView } from '../../terminal/terminal-view.tsx'
import type { JobOutput } from './job-output.ts'
import { hasEnded } from './outcome.ts'
import { saveOutput } from './output-file.ts'
import { useSearch } from './use-search.ts'

export interface JobTerminalProps {
  readonly id: string
  readonly job: Job
  readonly output: JobOutput
  readonly version: number
  /** The state of the stream. */
  readonly pill: ComponentChildren
}

export function JobTerminal({ id, job, output, version, pill }: JobTerminalProps) {
  const api = useApi()
  const { terminal } = output
  const [isFollowing, setFollowing] = useState(true)
  const [wanted, setWanted] = useState('')
  const [place, setPlace] = useState(-1)
  const field = useRef<HTMLInputElement>(null)
  const found = useSearch(terminal, wanted)
  useShortcut('/', 'Search the output', () => field.current?.focus())
  useShortcut('f', 'Follow the newest line', () => setFollowing(true))

  const go = (step: number) => {
    if (found.length === 0) return
    setFollowing(false)
    setPlace(before =>
      before < 0 && step < 0 ? found.length - 1 : (before + step + found.length) % found.length,
    )
  }
  const download = () =>
    saveOutput(api, id, output).catch((error: unknown) =>
      announce(`Nothing was saved. ${asProblem(error).message}`, { isFailure: true }),
    )
  return (
    <section aria-labelledby="output-title">
      <div class="card terminal-bar">
        <h2 id="output-title">Output</h2>
        {pill}
        <search class="row">
          <form
            class="row"
            onSubmit={event => {
              event.preventDefault()
              go(1)
            }}
          >
            <input
              ref={field}
              type="search"
              aria-label="Search the output"
              placeholder="Search"
              maxLength={200}
              onInput={event => {
                setWanted(event.currentTarget.value)
                setPlace(-1)
              }}
            />
            {wanted !== '' && (
              <>
                <output class="hint">{foundText(place, found.length)}</output>
                <button type="submit" class="quiet" aria-label="Next place">
                  ↓
                </button>
                <button type="button" class="quiet" aria-label="Place before" onClick={() => go(-1)}>
                  ↑
                </button>
              </>
            )}
          </form>
        </search>
        <label class="check">
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={event => setFollowing(event.currentTarget.checked)}
          />
          Follow
        </label>
        <button
          type="button"
          class="quiet"
          title="As plain text, without colours and control characters"
          onClick={() => void download()}
        >
          Download
        </button>
      </div>
      <TerminalView
        terminal={terminal}
        version={version}
        label="Output of the job"
        isFollowing={isFollowing}
        onFollow={setFollowing}
        wanted={wanted}
        reveal={found[place]}
      />
      <p class="hint" role="status">
        {terminal.length === 0 &&
          (hasEnded(job) ? 'The job has written nothing.' : 'Nothing is written yet.')}
        {terminal.dropped > 0 &&
          `The page keeps the newest ${terminal.length.toLocaleString('en')} lines. The download has all of them.`}
      </p>
    </section>
  )
}

function foundText(place: number, count: number): string {
  if (count === 0) return 'not found'
  return place < 0 ? `${count} lines` : `${place + 1} of ${count}`
}
