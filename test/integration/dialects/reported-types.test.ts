/** Every dialect shows each event that the gateway accepts for a job, or the gateway refuses the report. */
import t from 'tap'
import { COMMAND_KIND } from '../../../src/jobs/job.js'
import { EDITOR, STORIES, type Story } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { watch } from '../../harness/transcript.js'

/** Names that streams use themselves, and ordinary ones. */
const TYPES = [
  ...['snapshot', 'status', 'done', 'run.updated', 'log', 'output', 'result', 'artifact'],
  ...['stream.complete', 'job.queued', 'step.started', 'any.thing-else:/x'],
  ...['connected', 'complete', 'heartbeat', 'error', 'cursor', 'message'],
  ...['execution-start', 'execution-complete', 'execution-cancelled', 'task-start', 'agent-chatter'],
]
/** Dialects that show a job of any kind. */
const OPEN: Story[] = [STORIES.job, STORIES['runner-jobs'], STORIES.runs]
const FOLLOWED: Readonly<Record<string, Story[]>> = {
  run: OPEN,
  build: OPEN,
  execution: [...OPEN, STORIES.executions],
  [COMMAND_KIND]: [...OPEN, STORIES['remote-commands']],
}

for (const [kind, dialects] of Object.entries(FOLLOWED)) {
  t.test(`each event of a job of kind ${kind} is shown or refused`, async t => {
    const { app, url } = await startGateway(t)
    const job = await app.jobs.create(EDITOR, { kind, project: 'website' }, 'running')
    const lost: string[] = []

    const accepted: string[] = []
    for (const type of TYPES) {
      const response = await fetch(`${url}/api/jobs/${job.id}/events`, {
        method: 'POST',
        headers: { ...as('editor'), 'content-type': 'application/json' },
        body: JSON.stringify({ type, data: { mark: `<${type}>` } }),
      })
      if (response.status === 201) accepted.push(type)
      else t.match(await response.json(), { code: 'reserved-type', status: 400 }, type)
    }
    await app.jobs.finish(EDITOR, job.id, 'completed', {})
    for (const { name, path } of dialects) {
      const stream = await watch(t, url + path(job.id), '1')
      t.ok(await stream.ended(), name)
      for (const type of accepted) {
        if (!stream.messages.some(({ data }) => data.includes(`<${type}>`))) lost.push(`${name}: ${type}`)
      }
    }

    t.strictSame(lost, [])
    t.ok(['snapshot', 'job.queued', 'step.started'].every(type => accepted.includes(type)))
    t.equal(accepted.includes('error'), kind === 'execution')
  })
}

t.test('a type that ends a stream is refused by the kind of the job, in uploads too', async t => {
  const { app, url } = await startGateway(t)
  const statusOf = async (kind: string, type: string) => {
    const job = await app.jobs.create(EDITOR, { kind }, 'running')
    const lines = await fetch(`${url}/api/jobs/${job.id}/events`, {
      method: 'POST',
      headers: { ...as('editor'), 'content-type': 'application/x-ndjson' },
      body: `{"type":"log","data":{}}\n{"type":"${type}","data":{}}\n`,
    })
    return [lines.status, await lines.json()]
  }

  t.match(await statusOf('run', 'done'), [400, { code: 'reserved-type', line: 2, stored: 1 }])
  t.match(await statusOf('build', 'stream.complete'), [400, { code: 'reserved-type', line: 2, stored: 1 }])
  t.match(await statusOf('execution', 'execution-start'), [400, { code: 'reserved-type', line: 2 }])
  t.match(await statusOf(COMMAND_KIND, 'complete'), [400, { code: 'reserved-type', line: 2 }])
  t.match(await statusOf('build', 'done'), [201, { stored: 2 }])
})
