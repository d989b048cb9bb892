/**
 * The rules of projects, against people of the same workspace: an editor that wants to run something else than the project allows,
 * and a colleague that wants to see or end what it is no member of.
 */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { ask } from '../jobs/project-client.js'

const ADA = bearer(token({ role: 'editor', sub: 'ada' }))
const EVE = bearer(token({ role: 'editor', sub: 'eve' }))
const { app, url } = await startGateway(t)

t.test('a project with allowed commands runs these and nothing else, by whatever route', async t => {
  await declare({ id: 'strict', allowed_commands: ['npm test', 'make deploy'] })
  const attempts = [
    'npm test; id',
    'npm test && id',
    'npm test\nid',
    'npm test #',
    ' npm test',
    'npm test ',
    'npm  test',
    'NPM TEST',
    'npm\u00a0test',
    'npm test\r',
    '$(npm test)',
    'npm',
    'id',
    '__proto__',
  ]

  const refused: unknown[] = []
  for (const command of attempts) {
    for (const answer of [
      await ask(url, EVE, 'POST', '/projects/strict/shell', { command }),
      await ask(url, EVE, 'POST', '/api/jobs', { kind: 'command', project: 'strict', payload: { command } }),
    ]) {
      if (answer.status !== 403 || answer.body.code !== 'command-not-allowed') refused.push([command, answer])
    }
  }
  for (const payload of [
    {},
    { command: ['npm test'] },
    { command: 'npm test', args: ['; id'] },
    { command: 'npm test', shell: '/tmp/evil' },
    { Command: 'npm test' },
  ]) {
    const answer = await ask(url, EVE, 'POST', '/api/jobs', { kind: 'command', project: 'strict', payload })
    if (answer.body.code !== 'command-not-allowed') refused.push([payload, answer])
  }

  t.strictSame(refused, [])
  t.equal((await ask(url, EVE, 'POST', '/projects/strict/shell', { command: 'npm test' })).status, 201)
  const admin = await ask(url, 'admin', 'POST', '/projects/strict/shell', { command: 'id' })
  t.equal(admin.body.code, 'command-not-allowed', 'not even an admin, who can change the project')
})

// Attack: an allowed command does something else in another environment.
t.test('a project with allowed commands lets them set no variables, or only the listed ones', async t => {
  await declare({ id: 'bare', allowed_commands: ['npm test'] })
  await declare({ id: 'listed', allowed_commands: ['npm test'], allowed_env: ['CI'] })
  await declare({ id: 'free', allowed_env: ['CI'] })
  const run = (project: string, env: unknown) =>
    ask(url, EVE, 'POST', '/api/jobs', { kind: 'command', project, payload: { command: 'npm test', env } })

  for (const name of ['PATH', 'LD_PRELOAD', 'BASH_ENV', 'NODE_OPTIONS', 'ci', 'CI ', 'constructor']) {
    for (const project of ['bare', 'listed', 'free']) {
      t.match(
        await run(project, { [name]: 'x' }),
        { status: 403, body: { code: 'variable-not-allowed' } },
        name,
      )
    }
  }
  for (const env of [['PATH=x'], 'PATH=x']) t.equal((await run('listed', env)).status, 403)
  t.equal((await run('bare', { CI: '1' })).status, 403)
  t.equal((await run('listed', { CI: '1' })).status, 201)
  t.equal((await run('free', { CI: '1' })).status, 201)
  t.equal(
    (await ask(url, EVE, 'POST', '/projects/open/shell', { command: 'x', env: { PATH: '/x' } })).status,
    201,
  )
})

t.test(
  'somebody who is no member runs nothing, and neither sees nor ends a command, by whatever route',
  async t => {
    await declare({ id: 'secret', members: ['ada'] })
    const started = await ask<{ data: { id: string } }>(url, ADA, 'POST', '/projects/secret/shell', {
      command: 'ls',
    })
    const { id } = started.body.data
    await app.jobs.claim(
      { id: 'r', workspace: 'acme', role: 'runner' },
      { runner: 'r', projects: ['secret'] },
      never(),
    )
    const routes: [method: string, path: string, body?: object][] = [
      ['GET', `/api/jobs/${id}`],
      ['GET', `/api/jobs/${id}/events`],
      ['GET', `/api/events?stream=job:${id}`],
      ['GET', `/api/events/1?stream=job:${id}`],
      ['POST', `/api/jobs/${id}/cancel`],
      ['POST', `/api/jobs/${id}/complete`],
      ['POST', `/api/jobs/${id}/fail`],
      ['POST', `/api/jobs/${id}/events`, { type: 'output', data: { line: 'forged' } }],
      ['GET', '/projects/secret'],
    ]
    const streams = [
      `/projects/secret/events?stream_id=${id}`,
      `/runner-jobs/${id}/events/stream`,
      `/api/v1/runs/${id}/events`,
      `/api/jobs/${id}/events`,
      `/api/events?stream=job:${id}`,
    ]

    const seen: unknown[] = []
    for (const [method, path, body] of routes) {
      const answer = await ask(url, EVE, method, path, body)
      if (answer.status !== 404) seen.push([method, path, answer.status])
    }
    for (const path of streams) {
      for (const headers of [
        EVE,
        { ...EVE, 'last-event-id': '1' },
        { ...EVE, accept: 'application/x-ndjson' },
      ]) {
        const stream = await openStream(t, url + path, { headers })
        if (stream.response.statusCode !== 404) seen.push([path, headers, stream.response.statusCode])
        stream.close()
      }
    }

    t.strictSame(seen, [])
    t.match(await ask(url, EVE, 'POST', '/projects/secret/shell', { command: 'ls' }), {
      status: 403,
      body: { code: 'not-a-member' },
    })
    t.notMatch(JSON.stringify((await ask(url, EVE, 'GET', '/api/jobs?limit=200')).body), id)
    t.match(JSON.stringify((await ask(url, ADA, 'GET', '/api/jobs?limit=200')).body), id)
    for (const path of streams) {
      const stream = await openStream(t, url + path, { headers: ADA })
      t.equal(stream.response.statusCode, 200, path)
      stream.close()
    }
    t.equal((await ask(url, 'runner', 'GET', `/api/jobs/${id}`)).status, 200, 'a runner')
    t.equal((await ask(url, 'admin', 'POST', `/api/jobs/${id}/cancel`)).status, 200, 'an admin')
  },
)

t.test('the project of the same name in another workspace has no effect', async t => {
  await declare({ id: 'shared', members: ['nobody'], allowed_commands: [] }, 'rival')

  t.equal((await ask(url, EVE, 'POST', '/projects/shared/shell', { command: 'ls' })).status, 201)
})

t.test('values of variables are for the runner alone', async t => {
  const secret = 'hunter2'
  const body = { command: 'deploy', env: { PASSWORD: secret, CI: '1' } }
  const { data } = (await ask<{ data: { id: string } }>(url, ADA, 'POST', '/projects/env/shell', body)).body
  const job = { kind: 'command', project: 'env', payload: body }
  const made = await ask(url, ADA, 'POST', '/api/jobs', job)
  const texts = [
    JSON.stringify(made.body),
    JSON.stringify((await ask(url, 'admin', 'GET', `/api/jobs/${data.id}`)).body),
    JSON.stringify((await ask(url, 'viewer', 'GET', '/api/jobs?project=env')).body),
    JSON.stringify((await ask(url, 'viewer', 'GET', '/api/events?limit=500')).body),
    JSON.stringify((await ask(url, 'admin', 'GET', '/api/audit')).body),
  ]
  for (const path of [`/api/jobs/${data.id}/events`, `/api/v1/runs/${data.id}/events`]) {
    const stream = await openStream(t, url + path, { headers: as('viewer') })
    await stream.until(1)
    texts.push(stream.text())
    stream.close()
  }

  const claimed = await ask(url, 'runner', 'POST', '/api/jobs/claim', { runner: 'r', projects: ['env'] })

  for (const text of texts) t.notMatch(text, secret)
  t.match(texts[1], '"env":{"PASSWORD":"***","CI":"***"}')
  t.match(claimed.body, { job: { id: data.id, payload: body } })
})

async function declare(project: object, workspace = 'acme'): Promise<void> {
  const { status } = await ask(url, 'admin', 'POST', '/projects', project, workspace)
  if (status !== 201) throw new Error(`The project was not declared: ${status}.`)
}

function never(): AbortSignal {
  return new AbortController().signal
}
