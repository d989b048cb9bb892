import t from 'tap'
import { create, finish, run, STORIES } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { watch } from '../../harness/transcript.js'
import { until } from '../../harness/until.js'

const { runs, executions } = STORIES

t.test(
  'a run has 50 listeners per process; further ones get a retry time, and a place once one has left',
  async t => {
    const { app, url } = await startGateway(t)
    const job = await create(app, runs)
    const path = url + runs.path(job.id)
    const listeners = await Promise.all(Array.from({ length: 50 }, () => watch(t, path)))
    await Promise.all(listeners.map(listener => listener.until(1)))

    const refused = await watch(t, path)

    t.equal(refused.response.statusCode, 200)
    t.ok(await refused.ended())
    t.match(refused.messages, [{ data: /^\{"type":"error",.*"code":"limit"\}$/ }])
    t.equal(refused.retries.length, 1)

    const other = await watch(t, url + runs.path((await create(app, runs)).id))
    t.match((await other.until(1))[0]?.data, /"type":"snapshot"/, 'another run has its own 50')

    listeners.pop()?.close()
    await until('one has left', () => app.hub.followers('acme', `job:${job.id}`) === 49)
    const admitted = await watch(t, path)
    t.match((await admitted.until(1))[0]?.data, /"type":"snapshot"/)
  },
)

t.test('the number of listeners is a setting, applies to each process, and 0 means any number', async t => {
  const one = await startGateway(t, { env: { MAX_STREAMS_PER_RUN: '2' } })
  const two = await startGateway(t, { databaseUrl: one.databaseUrl, env: { MAX_STREAMS_PER_RUN: '2' } })
  const any = await startGateway(t, { databaseUrl: one.databaseUrl, env: { MAX_STREAMS_PER_RUN: '0' } })
  const job = await create(one.app, runs)
  const first = async (url: string, id?: string) => {
    const [message] = await (await watch(t, url, id)).until(1)
    return { ...JSON.parse(message?.data ?? ''), id: message?.id }
  }
  const path = runs.path(job.id)

  // Counts as a listener, but is not refused.
  t.match((await (await watch(t, `${one.url}/runner-jobs/${job.id}/events/stream`)).until(1)).length, 1)
  t.equal((await first(one.url + path)).type, 'snapshot')
  const refused = await first(one.url + path, '1')
  t.match(refused, { type: 'error', code: 'limit', id: /^1\b/ }, 'a client keeps its place in the stream')
  t.ok((await (await watch(t, `${one.url}/runner-jobs/${job.id}/events/stream`)).until(1)).length)
  t.equal((await first(two.url + path)).type, 'snapshot', 'another process has its own places')
  const many = await Promise.all(Array.from({ length: 60 }, () => first(any.url + path)))
  t.ok(many.every(({ type }) => type === 'snapshot'))
})

t.test('many concurrent listeners do not exceed the limit', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, runs)

  const all = await Promise.all(Array.from({ length: 60 }, () => watch(t, url + runs.path(job.id))))
  const first = await Promise.all(all.map(stream => stream.until(1)))

  t.equal(first.filter(([message]) => message?.data.includes('"code":"limit"')).length, 10)
})

t.test('the clients of a job are counted, and their streams end with the job', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, executions)
  const state = async () => {
    const response = await fetch(`${url}/api/executions/${job.id}`, { headers: as('viewer') })
    return (await response.json()) as { status: string; clients: number }
  }
  const streams = await Promise.all([1, 2, 3].map(() => watch(t, url + executions.path(job.id))))
  await Promise.all(streams.map(stream => stream.until(1)))

  t.match(await state(), { executionId: job.id, status: 'running', clients: 3 })
  const read = await fetch(`${url}/api/jobs/${job.id}`, { headers: as('viewer') })
  t.equal(read.headers.get('x-sluice-clients'), '3')

  streams[0]?.close()
  await until('two are left', async () => (await state()).clients === 2)
  await run(app, executions, job)
  await finish(app, executions, job)

  t.ok(await streams[1]?.ended())
  t.ok(await streams[2]?.ended())
  await until('none is left', async () => (await state()).clients === 0)
})

t.test('closing a job closes its streams on every process, also after a client disconnect', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const job = await create(one.app, executions)
  const broken = await watch(t, one.url + executions.path(job.id))
  const here = await watch(t, one.url + executions.path(job.id))
  const there = await watch(t, two.url + executions.path(job.id))
  await Promise.all([broken, here, there].map(stream => stream.until(1)))

  broken.response.socket.resetAndDestroy()
  await run(one.app, executions, job)
  await finish(one.app, executions, job)

  t.ok(await here.ended())
  t.ok(await there.ended())
  t.same(there.messages, here.messages)
  t.equal(here.messages.at(-1)?.event, 'execution-complete')
})
