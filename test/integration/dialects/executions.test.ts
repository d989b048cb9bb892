import t from 'tap'
import { create, EDITOR, STORIES } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { watch } from '../../harness/transcript.js'

const story = STORIES.executions

t.test('an execution is driven over HTTP from its start to its end', async t => {
  const { url } = await startGateway(t)
  const created = await send(url, '', { title: 'Release', payload: { tag: 'v1' } })
  const { executionId } = (await created.json()) as { executionId: string }
  const stream = await watch(t, `${url}/api/executions/${executionId}/events`)

  const told = await send(url, `/${executionId}/events`, story.events)
  const custom = await send(url, `/${executionId}/events`, { type: 'deploy.note', data: { text: 'hi' } })
  const end = { status: 'failed', successful: 1, failed: 1, totalDuration: 3400 }
  const ended = await send(url, `/${executionId}/events`, { type: 'execution-complete', data: end })
  const late = await send(url, `/${executionId}/events`, story.events[0] ?? {})

  t.equal(created.status, 201)
  t.equal(created.headers.get('location'), `/api/executions/${executionId}`)
  t.equal(told.status, 201)
  t.equal(((await told.json()) as { events: [] }).events.length, story.events.length)
  t.equal(custom.status, 201)
  t.match(await ended.json(), { executionId, ...end })
  t.match(await late.json(), { status: 409, code: 'job-ended' })
  t.ok(await stream.ended())
  t.same(
    stream.messages.map(({ event }) => event),
    ['execution-start', ...story.events.map(({ type }) => type), 'deploy.note', 'execution-complete'],
  )
  t.same(JSON.parse(stream.messages.at(-1)?.data ?? ''), { executionId, ...end })
  const read = await fetch(`${url}/api/executions/${executionId}`, { headers: as('viewer') })
  t.match(await read.json(), { executionId, title: 'Release', ...end, endedAt: String })
})

t.test('no runner can take an execution out of the hands of its orchestrator', async t => {
  const { app } = await startGateway(t)
  await create(app, story)

  const claimed = await app.jobs.claim(EDITOR, { runner: 'greedy' }, new AbortController().signal)

  t.equal(claimed, undefined)
})

t.test('cancelling ends it once', async t => {
  const { app, url } = await startGateway(t)
  const { id } = await create(app, story)

  const cancelled = await send(url, `/${id}/cancel`)
  const again = await send(url, `/${id}/cancel`)

  t.match(await cancelled.json(), { executionId: id, status: 'cancelled' })
  t.match(await again.json(), { status: 409, code: 'job-ended' })
})

t.test('a repeated report with a key is stored once', async t => {
  const { app, url } = await startGateway(t)
  const { id } = await create(app, story)
  const report = () => send(url, `/${id}/events`, story.events[0] ?? {}, { 'idempotency-key': 'k1' })

  const first = await report()
  const second = await report()

  t.equal(first.headers.get('idempotency-replayed'), null)
  t.equal(second.headers.get('idempotency-replayed'), 'true')
  const receipt = await first.json()
  t.match(
    receipt,
    { events: [{ position: Number, eventId: String }] },
    'spelled as in the rest of the dialect',
  )
  t.same(await second.json(), receipt)
})

t.test('bad reports are refused, each with its reason', async t => {
  const { app, url } = await startGateway(t)
  const { id } = await create(app, story)
  const task = { taskId: 't1', taskTitle: 'Build', progress: 0, total: 2 }
  const end = { status: 'completed', successful: 1, failed: 0, totalDuration: 1 }
  const cases: [body: object, code: string, detail: RegExp][] = [
    [{ type: 'task-start', data: {} }, 'invalid-request', /taskId/],
    [{ type: 'task-start', data: { ...task, progress: -1 } }, 'invalid-request', /body\/data\/progress/],
    [{ type: 'task-start', data: { ...task, total: '2' } }, 'invalid-request', /body\/data\/total/],
    [{ type: 'task-complete', data: task }, 'invalid-request', /status/],
    [{ type: 'task-fail', data: {} }, 'invalid-request', /taskId/],
    [{ type: 'execution-complete', data: {} }, 'invalid-request', /status/],
    [{ type: 'execution-complete', data: { ...end, status: 'great' } }, 'invalid-request', /status/],
    [{ type: 'execution-complete', data: { ...end, extra: 1 } }, 'invalid-request', /extra/],
    [[{ type: 'execution-complete', data: end }], 'reserved-type', /Send it alone/],
    [{ type: 'execution-start', data: {} }, 'reserved-type', /execution-start/],
    [{ type: 'execution-cancelled', data: {} }, 'reserved-type', /execution-cancelled/],
    [{ type: 'job.completed', data: {} }, 'reserved-type', /job\./],
    [{ type: 'heartbeat', data: {} }, 'reserved-type', /heartbeat/],
    [{ type: 'two words', data: {} }, 'invalid-request', /type/],
    [{ type: 'note' }, 'invalid-request', /data/],
    [[], 'invalid-request', /body/],
  ]

  for (const [body, code, detail] of cases) {
    const response = await send(url, `/${id}/events`, body)
    const problem = (await response.json()) as { code: string }

    t.equal(response.status, 400, JSON.stringify(body))
    t.equal(problem.code, code)
    t.match(JSON.stringify(problem), detail)
  }
  t.match(await (await fetch(`${url}/api/executions/${id}`, { headers: as('viewer') })).json(), {
    status: 'running',
  })
})

t.test('a job that is not an execution is a 404, and so is one of another workspace', async t => {
  const { app, url } = await startGateway(t)
  const job = await app.jobs.create(EDITOR, { kind: 'command' })
  const foreign = await create(app, story)
  const paths: [method: string, path: string][] = [
    ['GET', ''],
    ['GET', '/events'],
    ['POST', '/events'],
    ['POST', '/cancel'],
  ]

  for (const [method, path] of paths) {
    for (const [id, workspace] of [
      [job.id, 'acme'],
      [foreign.id, 'globex'],
    ] as const) {
      const response = await fetch(`${url}/api/executions/${id}${path}`, {
        method,
        headers: { ...as('editor', workspace), 'content-type': 'application/json' },
        ...(path === '/events' && method === 'POST' && { body: '{"type":"note","data":{}}' }),
        ...(path === '/cancel' && { headers: as('editor', workspace) }),
      })

      t.match(await response.json(), { status: 404, code: 'not-found' }, `${method} ${path}`)
    }
  }
})

t.test('viewers watch, editors and runners report, only editors start and cancel', async t => {
  const { app, url } = await startGateway(t)
  const { id } = await create(app, story)
  const runner = bearer(token({ role: 'runner' }))
  const statusOf = async (path: string, headers: Record<string, string>, body: object) =>
    (await send(url, path, body, headers)).status
  const note = { type: 'note', data: {} }

  t.equal(await statusOf('', as('viewer'), {}), 403)
  t.equal(await statusOf(`/${id}/events`, as('viewer'), note), 403)
  t.equal(await statusOf(`/${id}/events`, runner, note), 201)
  t.equal(await statusOf(`/${id}/cancel`, runner, {}), 403)
  t.equal(await statusOf(`/${id}/cancel`, as('viewer'), {}), 403)
})

function send(url: string, path: string, body?: object, headers: Readonly<Record<string, string>> = {}) {
  return fetch(`${url}/api/executions${path}`, {
    method: 'POST',
    headers: {
      ...as('editor'),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}
