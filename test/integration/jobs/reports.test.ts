/** Which events a caller may add to a job's stream. */
import t from 'tap'
import { MAX_DATA_BYTES } from '../../../src/log/event.js'
import { as } from '../../harness/gateway.js'
import { attempt, startJobs, types } from './service.js'

const output = (n: number) => ({ type: 'output', data: { n } })

t.test('events of a request are stored together, in order, and the answer has their ids', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  const runner = service.as('runner')

  const one = await runner.post(`/api/jobs/${id}/events`, output(1), attempt(1))
  const batch = await runner.post(`/api/jobs/${id}/events`, [output(2), output(3)], attempt(1))
  const half = await runner.post(
    `/api/jobs/${id}/events`,
    [output(4), { type: 'job.completed', data: {} }],
    attempt(1),
  )

  t.match(one.body.events, [{ id: /^3\./, position: 3, event_id: /^[0-9a-f-]{36}$/, at: /Z$/ }])
  t.match(batch.body.events, [{ position: 4 }, { position: 5 }])
  t.equal(half.status, 400)
  t.match((await service.stream(id)).slice(2), [
    { ...output(1), actor: 'runner-of-acme' },
    output(2),
    output(3),
  ])
  t.equal((await service.stream(id)).length, 5)
  t.equal((await service.feed()).length, 2, 'the feed is not told of them')
})

t.test('an editor may add events to a waiting or running job, a runner only to its own attempt', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const [editor, runner] = [service.as('editor'), service.as('runner')]

  const waiting = await editor.post(`/api/jobs/${id}/events`, output(1))
  await service.claim()
  const running = await editor.post(`/api/jobs/${id}/events`, output(2))
  const nameless = [
    await runner.post(`/api/jobs/${id}/events`, output(3)),
    await runner.post(`/api/jobs/${id}/complete`, {}),
    await runner.post(`/api/jobs/${id}/fail`),
    await runner.post(`/api/jobs/${id}/release`),
  ]

  t.same([waiting.status, running.status], [201, 201])
  for (const { body, status } of nameless)
    t.match({ ...body, status }, { status: 400, code: 'attempt-missing' })
  t.same(types(await service.stream(id)), ['job.created', 'output', 'job.started', 'output'])
})

t.test(
  'a request repeated with its idempotency key is stored once, also after the end of the job',
  async t => {
    const service = await startJobs(t)
    const { id } = await service.create()
    await service.claim()
    const runner = service.as('runner')
    const headers = { ...attempt(1), 'idempotency-key': 'batch-7' }
    const post = (events: unknown) => runner.post(`/api/jobs/${id}/events`, events, headers)

    const [first, second] = await Promise.all([post([output(1), output(2)]), post([output(1), output(2)])])
    const other = await post([output(9)])
    await runner.post(`/api/jobs/${id}/complete`, {}, attempt(1))
    const late = await post([output(1), output(2)])
    const bad = await runner.post(`/api/jobs/${id}/events`, output(1), {
      ...headers,
      'idempotency-key': 'with space',
    })

    t.same([first?.status, second?.status, late.status], [201, 201, 201])
    t.same(first?.body.events, second?.body.events)
    t.same(first?.body.events, late.body.events)
    t.equal(late.headers.get('idempotency-replayed'), 'true')
    t.match({ ...other.body, status: other.status }, { status: 422, code: 'idempotency-key-reused' })
    t.match(bad.body, { code: 'invalid-idempotency-key' })
    t.same(types(await service.stream(id)), [
      'job.created',
      'job.started',
      'output',
      'output',
      'job.completed',
    ])
  },
)

t.test('an idempotency key of a refused request may be used again', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const headers = { ...attempt(1), 'idempotency-key': 'early' }

  const early = await service.as('runner').post(`/api/jobs/${id}/events`, output(1), headers)
  await service.claim()
  const now = await service.as('runner').post(`/api/jobs/${id}/events`, output(1), headers)

  t.equal(early.body.code, 'lease-lost')
  t.equal(now.status, 201)
  t.equal(now.headers.get('idempotency-replayed'), null)
})

t.test('no caller can write status events of a job, or publish to its stream directly', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const editor = service.as('editor')
  const forged = { type: 'job.completed', data: { job_id: id } }

  const appended = await editor.post(`/api/jobs/${id}/events`, forged)
  const published = await editor.post(`/api/events?stream=job:${id}`, output(1))
  const beside = await editor.post(`/api/events?stream=job:something`, output(1))

  t.match({ ...appended.body, status: appended.status }, { status: 400, code: 'reserved-type' })
  t.match({ ...published.body, status: published.status }, { status: 400, code: 'invalid-event' })
  t.match(
    { ...beside.body, status: beside.status },
    { status: 400, code: 'invalid-event', detail: /through the job/ },
  )
  for (const call of ['append', 'publish']) {
    await t.rejects(service.pool.query(`select sluice.${call}('acme', $1, 'a', '{}')`, [`job:${id}`]), {
      code: 'SL002',
    })
  }
  await t.rejects(
    service.pool.query(
      `select sluice.append_job('acme', $1, null, '{job.completed}', '{"{}"}', null, null, 'me')`,
      [id],
    ),
    { code: 'SL002' },
  )
  t.same(types(await service.stream(id)), ['job.created'])
})

t.test('an invalid or oversized event or result is refused with the reason', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  const deep = JSON.parse(`{"x":${'['.repeat(40)}${']'.repeat(40)}}`)
  const cases: [path: string, body: unknown, status: number, code: string][] = [
    ['events', '', 400, 'invalid-json'],
    ['events', '{', 400, 'invalid-json'],
    ['events', [], 400, 'invalid-request'],
    ['events', 7, 400, 'invalid-request'],
    ['events', { type: 'a' }, 400, 'invalid-request'],
    ['events', { type: 'a b', data: {} }, 400, 'invalid-request'],
    ['events', { type: 'a', data: [] }, 400, 'invalid-request'],
    ['events', { type: 'heartbeat', data: {} }, 400, 'reserved-type'],
    ['events', { type: 'a', data: { x: 'x'.repeat(MAX_DATA_BYTES) } }, 413, 'event-too-large'],
    ['events', '{"type":"a","data":{"__proto__":{}}}', 400, 'forbidden-key'],
    ['complete', { results: {} }, 400, 'invalid-request'],
    ['complete', { result: [] }, 400, 'invalid-request'],
    ['complete', { result: { x: 'x'.repeat(64 * 1024) } }, 413, 'payload-too-large'],
    ['fail', { result: deep }, 400, 'data-too-deep'],
    ['heartbeat', {}, 400, 'invalid-request'],
    ['heartbeat', { attempt: 0 }, 400, 'invalid-request'],
    ['heartbeat', { attempt: 1, lease_ms: 4_999 }, 400, 'invalid-request'],
    ['heartbeat', { attempt: 1, lease_ms: 300_001 }, 400, 'invalid-request'],
  ]

  for (const [path, body, status, code] of cases) {
    const answer = await service.as('runner').post(`/api/jobs/${id}/${path}`, body, attempt(1))
    t.match(
      { ...answer.body, status: answer.status },
      { status, code },
      `${path} ${JSON.stringify(body).slice(0, 60)}`,
    )
  }
  for (const header of ['0', '-1', 'one', '1.5', '99999999999']) {
    const answer = await service
      .as('runner')
      .post(`/api/jobs/${id}/events`, output(1), { 'x-job-attempt': header })
    t.match({ ...answer.body, status: answer.status }, { status: 400, code: 'invalid-request' }, header)
  }
  const form = await fetch(`${service.gateways[0].url}/api/jobs/${id}/events`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'text/plain' },
    body: 'x',
  })
  t.equal(form.status, 415)
  t.same(types(await service.stream(id)), ['job.created', 'job.started'])
})
