/** The form that queues a command for a runner. */
import { useRef } from 'preact/hooks'
import type { Job } from '../../../../src/jobs/job.ts'
import type { Project } from '../../../../src/jobs/project.ts'
import { useApi } from '../../api/api.ts'
import { useRequest } from '../../api/use-request.ts'
import { FormDialog, linesIn, textIn } from '../../pieces/form-dialog.tsx'
import { hrefOf, navigate } from '../../shell/route.ts'
import { commandOf } from './outcome.ts'

export interface RunCommandProps {
  /** A job whose command is run again. */
  readonly like?: Job
  readonly onClose: () => void
}

const MAX_SECONDS = 86_400
const MAX_PROJECTS = 200

export function RunCommand({ like, onClose }: RunCommandProps) {
  const api = useApi()
  const key = useRef(randomKey())
  const { data: projects } = useRequest(async (asked, signal) => {
    const page = await asked.get<{ projects: Project[] }>('projects', {
      query: { limit: MAX_PROJECTS },
      signal,
    })
    return page.projects
  }, [])
  const variables = variablesOf(like)
  return (
    <FormDialog
      title={like ? 'Run the command again' : 'Run a command'}
      action="Run"
      onClose={onClose}
      onSubmit={async form => {
        // A request that is repeated because its answer was lost starts one job.
        const headers = { 'idempotency-key': key.current }
        const job = await api.send<Job>('POST', 'api/jobs', jobIn(form), { headers })
        onClose()
        navigate(hrefOf('jobs', [job.id]))
      }}
    >
      <div
        class="stack"
        onInput={() => {
          key.current = randomKey()
        }}
      >
        <label>
          Command, for <code>/bin/sh -c</code>
          <textarea
            name="command"
            rows={3}
            spellcheck={false}
            defaultValue={(like && commandOf(like)) ?? ''}
            placeholder="npm test"
            required
          />
        </label>
        <label>
          Project, which decides which runner takes it
          <input name="project" defaultValue={like?.project ?? ''} list="projects" maxLength={128} />
          <datalist id="projects">
            {projects?.map(({ id }) => (
              <option key={id}>{id}</option>
            ))}
          </datalist>
        </label>
        <details open={variables !== ''}>
          <summary>Title, variables, limits</summary>
          <div class="stack">
            <label>
              Title
              <input name="title" defaultValue={like?.title ?? ''} maxLength={512} />
            </label>
            <label>
              Variables, one <code>NAME=value</code> a line
              <textarea class="code" name="env" rows={3} spellcheck={false} defaultValue={variables} />
            </label>
            <div class="filters">
              <label>
                Time limit in seconds
                <input
                  name="seconds"
                  type="number"
                  min={1}
                  max={MAX_SECONDS}
                  defaultValue={like?.timeout_ms ? String(like.timeout_ms / 1_000) : ''}
                />
              </label>
              <label>
                Priority
                <input
                  name="priority"
                  type="number"
                  min={0}
                  max={9}
                  defaultValue={String(like?.priority ?? 0)}
                />
              </label>
              <label>
                Attempts
                <input
                  name="attempts"
                  type="number"
                  min={1}
                  max={10}
                  defaultValue={String(like?.max_attempts ?? 3)}
                />
              </label>
            </div>
          </div>
        </details>
      </div>
    </FormDialog>
  )
}

function jobIn(form: FormData) {
  const project = textIn(form, 'project')
  const title = textIn(form, 'title')
  const seconds = Number(textIn(form, 'seconds'))
  const env = Object.fromEntries(linesIn(form, 'env').map(variableIn))
  return {
    kind: 'command',
    payload: { command: textIn(form, 'command'), ...(Object.keys(env).length > 0 && { env }) },
    priority: Number(textIn(form, 'priority')),
    max_attempts: Number(textIn(form, 'attempts') || 3),
    ...(project !== '' && { project }),
    ...(title !== '' && { title }),
    ...(seconds > 0 && { timeout_ms: Math.round(seconds * 1_000) }),
  }
}

function variableIn(line: string): [string, string] {
  const equals = line.indexOf('=')
  if (equals < 1) throw new Error(`“${line}” is no variable: write NAME=value.`)
  return [line.slice(0, equals), line.slice(equals + 1)]
}

/** The gateway shows the names of variables only: their values have to be entered again. */
function variablesOf(job: Job | undefined): string {
  const env = job?.payload.env
  return typeof env === 'object' && env !== null
    ? Object.keys(env)
        .map(name => `${name}=`)
        .join('\n')
    : ''
}

/** Over plain HTTP browsers have no `crypto.randomUUID`. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map(part => part.toString(36)).join('-')
}
