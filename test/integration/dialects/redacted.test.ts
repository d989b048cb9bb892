/** The streams and the state of a job whose events were redacted: the status stays true, and nothing of the data is left. */
import t from 'tap'
import { inTransaction } from '../../../src/database/pool.js'
import { jobStream } from '../../../src/jobs/job.js'
import { create, EDITOR, run, STORIES, type Story } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { watch } from '../../harness/transcript.js'

const MARKER = 'marker-7f3a'
const REDACTED = { redacted: true, reason: 'request 118', at: String }

/** Events of the types that change the state of a run. */
const EXTRA: Story['events'] = [
  { type: 'run.updated', data: { progress: 1 } },
  { type: 'run.updated', data: { reason: MARKER } },
  { type: 'log', data: { line: MARKER } },
  { type: 'result', data: { test: MARKER } },
]

type End = 'completed' | 'failed' | 'aborted'

/** The last messages that clients get. */
const ENDS: Readonly<Record<keyof typeof STORIES, (status: End) => readonly object[]>> = {
  job: status => [{ event: `job.${status}`, data: REDACTED }],
  'runner-jobs': status => [
    { event: `job.${status}`, data: REDACTED },
    { event: 'stream.complete', data: { status } },
  ],
  runs: status => [{ event: 'message', data: { type: 'done', status, redacted: true } }],
  'remote-commands': status => [
    {
      event: 'complete',
      data: { exit_code: { completed: 0, failed: 1, aborted: 143 }[status], duration_ms: 0, redacted: true },
    },
  ],
  executions: status => [{ event: 'execution-complete', data: { status, ...REDACTED } }],
}
/** Where the state of a job is read. */
const STATES: Readonly<Record<string, (id: string) => string>> = {
  job: id => `/api/jobs/${id}`,
  runs: id => `/api/v1/runs/${id}`,
  executions: id => `/api/executions/${id}`,
}

for (const story of Object.values<Story & { name: keyof typeof STORIES }>(STORIES)) {
  for (const status of ['completed', 'failed', 'aborted'] as const) {
    t.test(`${story.name}: a redacted job that has ${status}`, async t => {
      const { app, url } = await startGateway(t)
      const events = [...story.events, ...EXTRA].map(({ type }) => ({
        type,
        data: { line: MARKER, path: MARKER },
      }))
      const job = await create(app, { ...story, job: { ...story.job, title: MARKER } })
      await run(app, { ...story, events }, job)
      const result = { exit_code: 7, passed: 9, successful: 9, error: MARKER }
      await app.jobs.finish(EDITOR, job.id, status, { result }, { attempt: 1 })
      await inTransaction(app.database, async client => {
        await client.query(
          `select sluice.redact('acme', $1, p, 'request 118') from generate_series(1, 20) as p`,
          [jobStream(job.id)],
        )
      })

      const stream = await watch(t, url + story.path(job.id))
      t.ok(await stream.ended())
      const expected = ENDS[story.name](status)
      const last = stream.messages.slice(-expected.length).map(({ event = 'message', data }) => ({
        event,
        data: JSON.parse(data ?? ''),
      }))

      t.match(last, expected)
      t.notMatch(stream.text(), MARKER)
      const path = STATES[story.name]
      if (!path) return
      const answer = await fetch(url + path(job.id), { headers: as('viewer') })
      const state = await answer.json()
      t.match({ code: answer.status, state }, { code: 200, state: { status, result: REDACTED, title: null } })
      t.notMatch(JSON.stringify(state), MARKER)
      const leaked = ['reason', 'redacted', 'passed', 'successful'].filter(name =>
        Object.hasOwn(Object(state), name),
      )
      t.strictSame(leaked, [], 'what replaced the result gives no fields')
    })
  }
}

t.test('a redacted update and a redacted line of a run that goes on', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, STORIES.runs)
  await run(app, { ...STORIES.runs, events: EXTRA }, job)
  const before = await watch(t, `${url}${STORIES.runs.path(job.id)}`)
  await before.until(1)
  for (const position of [4, 5])
    await app.database.query('select sluice.redact($1, $2, $3, $4)', [
      'acme',
      jobStream(job.id),
      position,
      'x',
    ])

  const after = await watch(t, `${url}${STORIES.runs.path(job.id)}`)

  const [snapshot] = await after.until(1)
  const state = JSON.parse(snapshot?.data ?? '').run
  t.match(state, { status: 'running', progress: 1, logs: [/^\{"redacted":true,"reason":"x"/] })
  t.notOk('reason' in state, 'what replaced an update is no field')
})
