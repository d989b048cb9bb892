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
    [{ type: 'task-complete', data: { ...task, duration: '1 s' } }, 'invalid-request', /duration/],
    [{ type: 'task-fail', data: {} }, 'invalid-request', /taskId/],
    [{ type: 'execution-complete', data: {} }, 'invalid-request', /status/],
    [{ type: 'execution-complete', data: { ...end, status: 1 } }, 'invalid-request', /status/],
    [[{ type: 'execution-complete', data: end }], 'reserved-type', /Send it alone/],
    [{ type: 'execution-start', data: {} }, 'reserved-type', /execution-start/],
    [{ type: 'execution-cancelled', data: {} }, 'reserved-type', /execution-cancelled/],
    [{ type: 'job.completed', data: {} }, 'reserved-type', /job\./],
    [{ type: 'reset', data: {} }, 'reserved-type', /reset/],
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

t.test('reports are passed on as they came, whatever their names and members', async t => {
  const { url } = await startGateway(t)
  const id = 'exec-1234567890'
  await send(url, '', { executionId: id })
  const stream = await watch(t, `${url}/api/executions/${id}/events`)
  const reports = [
    { type: 'task-start', data: { taskId: 't1', progress: 0, total: 2 } },
    { type: 'task-start', data: { taskId: 't2', agent: { name: 'builder' } } },
    { type: 'task-complete', data: { taskId: 't1', progress: 12.5 } },
    { type: 'error', data: { message: 'The first attempt failed.', attempt: 1 } },
    { type: 'message', data: { text: 'a' } },
    { type: 'open', data: {} },
    { type: 'heartbeat', data: { load: 0.5 } },
    { type: 'quality-gate:checked', data: { passed: true } },
    { type: 'job.queued', data: {} },
  ]

  const answers = []
  for (const report of reports) answers.push((await send(url, `/${id}/events`, report)).status)
  answers.push((await send(url, `/${id}/events`, reports)).status)
  await send(url, `/${id}/cancel`)

  t.strictSame(
    answers,
    answers.map(() => 201),
  )
  t.ok(await stream.ended())
  const shown = stream.messages.map(({ event, data, id }) => ({
    type: event,
    data: JSON.parse(data),
    id: id !== '',
  }))
  t.strictSame(
    shown.slice(1, -1),
    [...reports, ...reports].map(report => ({ ...report, id: true })),
  )
})

t.test('an end is passed on as it came, and stored as the result', async t => {
  const { url } = await startGateway(t)
  const deliverables = [{ name: 'report.pdf', size: 12.5, tags: ['a', null], nested: { deep: [[1]] } }]
  const ends: [data: object, status: string][] = [
    [{ status: 'completed' }, 'completed'],
    [{ status: 'FAILED' }, 'failed'],
    [{ status: 'aborted', reason: 'No budget' }, 'aborted'],
    [{ status: 'partial', deliverables, successful: 3 }, 'completed'],
    [{ deliverables, executionId: 'exec-2', status: 'success', note: '„ü" 🔩' }, 'completed'],
    [{ status: 'timeout', executionId: 'of the application', failed: 'many' }, 'failed'],
  ]

  const seen = []
  for (const [n, [data]] of ends.entries()) {
    const id = `exec-${n}`
    await send(url, '', { id })
    const ended = await send(url, `/${id}/events`, { type: 'execution-complete', data })
    const stream = await watch(t, `${url}/api/executions/${id}/events`)
    await stream.ended()
    const { status, result } = Object(await ended.json())
    const read = await fetch(`${url}/api/executions/${id}`, { headers: as('viewer') })
    seen.push({
      answers: [ended.status, read.status, status],
      results: [result, Object(await read.json()).result],
      last: [stream.messages.at(-1)?.event, stream.messages.at(-1)?.data],
    })
  }

  t.strictSame(
    seen,
    ends.map(([data, status], n) => ({
      answers: [200, 200, status],
      results: [data, data],
      last: [
        'execution-complete',
        JSON.stringify('executionId' in data ? data : { executionId: `exec-${n}`, ...data }),
      ],
    })),
  )
})

t.test('an end that is too large is refused, and a shorter one ends the execution', async t => {
  const { url } = await startGateway(t)
  await send(url, '', { id: 'large' })
  const end = (deliverables: unknown) =>
    send(url, '/large/events', { type: 'execution-complete', data: { status: 'completed', deliverables } })

  const large = await end('x'.repeat(65_536))
  const deep = await end(JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`))
  const running = await fetch(`${url}/api/executions/large`, { headers: as('viewer') })
  const short = await end('x'.repeat(65_000))

  t.match(await large.json(), { status: 413, code: 'payload-too-large' })
  t.match(await deep.json(), { status: 400, code: 'data-too-deep' })
  t.match(await running.json(), { status: 'running' })
  t.equal(short.status, 200)
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
