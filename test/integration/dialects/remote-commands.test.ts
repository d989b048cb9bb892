import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { create, EDITOR, finish, play, RUNNER, run, STORIES } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { watch } from '../../harness/transcript.js'
import { until } from '../../harness/until.js'

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
    [{ command: 'a\0b' }, 400, /command must be text without U\+0000/],
    [{ command: 7 }, 400, /command/],
    [{ command: 'ls', timeout_ms: 0 }, 400, /timeout_ms must be >= 1\."/],
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

t.test('a command has a priority, a time limit and variables', async t => {
  const { app, url } = await startGateway(t)
  await shell(url, 'website', { command: 'later' })
  const body = { command: 'first', priority: 9, timeout_ms: 1_000, env: { CI: '1', _x9: '' } }

  t.equal((await shell(url, 'website', body)).status, 201)

  const runner = { id: 'build-7', workspace: 'acme' }
  const job = await app.jobs.claim(runner, { runner: 'build-7' }, new AbortController().signal)
  t.match(job, { priority: 9, timeout_ms: 1_000, payload: { command: 'first', env: { CI: '1', _x9: '' } } })
  for (const env of [
    { '1A': 'x' },
    { 'A B': 'x' },
    { 'A=B': 'x' },
    { '': 'x' },
    { ä: 'x' },
    { A: 1 },
    { A: 'a\0b' },
    ['A'],
    many(),
  ]) {
    t.equal(
      (await shell(url, 'website', { command: 'ls', env })).status,
      400,
      JSON.stringify(env).slice(0, 40),
    )
  }
  t.equal((await shell(url, 'website', { command: 'ls', priority: 10 })).status, 400)
})

t.test('only where projects must be declared, a command of another one is a 404', async t => {
  const open = await startGateway(t)
  const strict = await startGateway(t, { databaseUrl: open.databaseUrl, env: { PROJECTS: 'declared' } })
  const declared = { id: 'website', members: [] }
  await fetch(`${strict.url}/projects`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify(declared),
  })

  const job = { kind: 'command', payload: { command: 'ls' } }
  const queue = (body: object) =>
    fetch(`${strict.url}/api/jobs`, {
      method: 'POST',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  t.equal((await shell(strict.url, 'website', { command: 'ls' })).status, 201)
  const refused = await shell(strict.url, 'elsewhere', { command: 'ls' })
  t.equal(refused.status, 404)
  t.match(await refused.json(), { code: 'not-found', detail: /POST \/projects/ })
  t.equal((await queue({ ...job, project: 'elsewhere' })).status, 404)
  t.equal((await queue(job)).status, 404, 'nor one without a project')
  t.equal((await queue({ ...job, kind: 'build' })).status, 201, 'other jobs are no commands')
  t.equal((await shell(open.url, 'elsewhere', { command: 'ls' })).status, 201)
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

t.test(
  'while the database is away a client gets a comment, and later every line and the exit code',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const proxy = await startProxy(t, databaseUrl)
    const elsewhere = await startGateway(t, { databaseUrl })
    const { url } = await startGateway(t, { databaseUrl: proxy.url })
    const job = await create(elsewhere.app, story)
    const stream = await watch(t, url + story.path(job.id))
    await stream.until(1)

    await proxy.unplug()
    await run(elsewhere.app, story, job)
    await finish(elsewhere.app, story, job)
    await until('the fault', () => /^: The database cannot be reached/m.test(stream.text()))
    const newcomer = await watch(t, url + story.path(job.id))
    t.ok(await newcomer.ended())
    await proxy.plugIn()

    t.ok(await stream.ended())
    t.same(
      stream.messages.map(({ event }) => event),
      ['connected', 'output', 'output', 'complete'],
    )
    t.match(newcomer.text(), /^retry: \d+\n: The database cannot be reached. Come back in a moment.\n\n$/)
  },
)

t.test(
  'a cancelled command has the duration of its last attempt, for clients of any time and process',
  async t => {
    const { app, url, databaseUrl } = await startGateway(t)
    const other = await startGateway(t, { databaseUrl })
    const job = await app.jobs.create(EDITOR, { ...story.job, id: 'Build:7' })
    const path = story.path(job.id)
    const early = await watch(t, url + path)
    await run(app, story, job)
    await early.until(2, 'output')
    const resumed = await watch(t, other.url + path, early.messages.at(-1)?.id)

    await app.jobs.cancel(EDITOR, job.id)

    const late = await watch(t, other.url + path)
    const streams = [early, resumed, late]
    for (const stream of streams) t.ok(await stream.ended())
    // The job says when it started, and so does its event, a moment later.
    const { rows } = await app.database.query<{ longest: number; shortest: number }>(
      `select extract(epoch from e.at - j.started_at)::float8 * 1000 as longest,
        extract(epoch from e.at - s.at)::float8 * 1000 as shortest
      from sluice.jobs j join sluice.events s using (stream_id) join sluice.events e using (stream_id)
      where s.type = 'job.started' and e.type = 'job.cancelled'`,
    )
    const { longest = 0, shortest = 0 } = rows[0] ?? {}
    const found = streams.map(({ messages }) => JSON.parse(messages.at(-1)?.data ?? ''))
    const wrong = found.filter(
      ({ exit_code, reason, duration_ms: ms }) =>
        exit_code !== 143 || reason !== 'cancelled' || !(ms >= shortest - 1 && ms <= longest + 1),
    )
    t.same(wrong, [], `the job ran for ${shortest} to ${longest} ms`)
    t.ok(shortest > 1)
  },
)

t.test('a comment that comes first takes no `retry` from the first message', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  // Its own check of the mode, which comes twice a second, would say otherwise.
  app.serverState.close()
  app.hub.announce('degraded')

  const stream = await watch(t, url + story.path(job.id))

  const resumed = await watch(t, url + story.path(job.id), '1')

  await stream.until(1)
  t.match(stream.text(), /^: The database cannot be reached[^\n]*\n\nretry: \d+\nevent: connected\n/)
  await until('the comment', () => resumed.text().endsWith('\n\n'))
  app.hub.announce('normal')
  await run(app, story, job)
  await resumed.until(1)
  t.match(
    resumed.text(),
    /^: The database cannot be reached[^\n]*\nid: 1\.\w+\n\nretry: \d+\nid: 3\.\w+\nevent: output\n/,
  )
})

t.test('a command that was cancelled in the queue is an error, unless it had started before', async t => {
  const { app, url } = await startGateway(t)
  const [never, before] = [await create(app, story), await create(app, story)]
  await app.jobs.cancel(EDITOR, never.id)
  const claim = { runner: RUNNER.id, projects: ['website'], kinds: ['command'] }
  const claimed = await app.jobs.claim(RUNNER, claim, new AbortController().signal)
  await app.jobs.handBack(RUNNER, before.id, 1)
  await app.jobs.cancel(EDITOR, before.id)

  const ends = await Promise.all(
    [never, before].map(async ({ id }) => {
      const stream = await watch(t, url + story.path(id))
      t.ok(await stream.ended())
      const { event, data = '' } = stream.messages.at(-1) ?? {}
      return [event, JSON.parse(data)]
    }),
  )

  t.equal(claimed?.id, before.id)
  t.strictSame(ends, [
    ['error', { message: 'The command was cancelled before it started.' }],
    ['complete', { exit_code: 143, duration_ms: 0, reason: 'cancelled' }],
  ])
})

function shell(url: string, project: string, body: object, role: 'viewer' | 'editor' = 'editor') {
  return fetch(`${url}/projects/${project}/shell`, {
    method: 'POST',
    headers: { ...as(role), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

function many(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`A${n}`, '']))
}
