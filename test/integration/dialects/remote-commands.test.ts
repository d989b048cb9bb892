import t from 'tap'
import { create, EDITOR, play, STORIES } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { watch } from '../../harness/transcript.js'

const story = STORIES['remote-commands']

t.test('a command waits in the queue of its project, as a job that runners can claim', async t => {
  const { app, url } = await startGateway(t)

  const response = await shell(url, 'website', { command: 'npm test', timeout_ms: 60_000 })
  const { data } = (await response.json()) as { data: { id: string } }
  const stream = await watch(t, `${url}/projects/website/events?stream_id=${data.id}`)

  t.equal(response.status, 201)
  t.match(await stream.until(1), [
    { event: 'connected', data: `{"stream_id":"${data.id}","status":"queued"}` },
  ])
  const runner = { id: 'build-7', workspace: 'acme' }
  const claimed = await app.jobs.claim(
    runner,
    { runner: 'build-7', projects: ['website'], kinds: ['command'] },
    new AbortController().signal,
  )
  t.match(claimed, { id: data.id, payload: { command: 'npm test' }, timeout_ms: 60_000, project: 'website' })
})

t.test('bad commands are refused, each with its reason', async t => {
  const { url } = await startGateway(t)
  const cases: [body: object, status: number, fault: RegExp][] = [
    [{}, 400, /command/],
    [{ command: '' }, 400, /command/],
    [{ command: 'a\0b' }, 400, /command/],
    [{ command: 7 }, 400, /command/],
    [{ command: 'ls', timeout_ms: 0 }, 400, /timeout_ms/],
    [{ command: 'ls', timeout_ms: 86_400_001 }, 400, /timeout_ms/],
    [{ command: 'ls', cwd: '/' }, 400, /cwd/],
    [{ command: 'x'.repeat(70_000) }, 413, /payload/],
  ]

  for (const [body, status, fault] of cases) {
    const response = await shell(url, 'website', body)

    t.equal(response.status, status)
    t.match(await response.text(), fault)
  }
  t.equal((await shell(url, 'a%0Ab', { command: 'ls' })).status, 400)
  t.equal((await shell(url, 'x'.repeat(129), { command: 'ls' })).status, 400)
  t.equal((await shell(url, 'website', { command: 'ls' }, 'viewer')).status, 403)
})

t.test('a stream of a command of another project is a 404', async t => {
  const { app, url } = await startGateway(t)
  const command = await create(app, story)
  const elsewhere = await app.jobs.create(EDITOR, { ...story.job, project: 'shop' })
  const nowhere = await app.jobs.create(EDITOR, { ...story.job, project: null })
  const build = await app.jobs.create(EDITOR, { ...story.job, kind: 'build' })
  const statusOf = async (project: string, id: string, headers = {}) => {
    const response = await fetch(`${url}/projects/${project}/events?stream_id=${id}`, {
      headers: { ...as('viewer'), ...headers },
    })
    await response.body?.cancel()
    return response.status
  }

  t.equal(await statusOf('website', command.id), 200)
  t.equal(await statusOf('shop', command.id), 404)
  t.equal(await statusOf('shop', command.id, { 'last-event-id': '1' }), 404, 'with an event id as well')
  t.equal(await statusOf('website', elsewhere.id), 404)
  t.equal(await statusOf('website', nowhere.id), 404)
  t.equal(await statusOf('website', build.id), 404)
  const without = await fetch(`${url}/projects/website/events`, { headers: as('viewer') })
  t.equal(without.status, 400)
})

t.test('a project may have any name of one line', async t => {
  const { app, url } = await startGateway(t)
  const project = 'web site/ä'
  const job = await play(app, { ...story, job: { ...story.job, project } })

  const stream = await watch(t, `${url}/projects/${encodeURIComponent(project)}/events?stream_id=${job.id}`)

  t.ok(await stream.ended())
  t.equal(stream.messages.at(-1)?.event, 'complete')
})

function shell(url: string, project: string, body: object, role: 'viewer' | 'editor' = 'editor') {
  return fetch(`${url}/projects/${project}/shell`, {
    method: 'POST',
    headers: { ...as(role), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}
