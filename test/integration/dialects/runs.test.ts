import t from 'tap'
import { create, EDITOR, finish, run, STORIES } from '../../harness/dialect-story.js'
import type { EventStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import { watch } from '../../harness/transcript.js'

const story = STORIES.runs

t.test('an executor drives a run over HTTP', async t => {
  const { url } = await startGateway(t)
  const post = (path: string, body: object) =>
    fetch(`${url}/api/jobs${path}`, {
      method: 'POST',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const { id } = (await (await post('', { kind: 'run', started: true })).json()) as { id: string }
  const stream = await watch(t, url + story.path(id))
  await stream.until(1)

  await post(`/${id}/events`, { type: 'log', data: { line: 'Hello' } })
  await post(`/${id}/fail`, { result: { passed: 3, failed: 1 } })

  t.ok(await stream.ended())
  t.match(messagesOf(stream), [
    { type: 'snapshot', run: { id, status: 'running', title: null, logs: [], artifacts: [] } },
    { type: 'log', message: 'Hello', line: 'Hello' },
    { type: 'done', status: 'failed', passed: 3, failed: 1 },
  ])
  t.notMatch(stream.text(), /"total"|"testsGenerated"/)
})

t.test('aborted is an end of its own', async t => {
  const { app, url } = await startGateway(t)
  const job = await app.jobs.create(EDITOR, { kind: 'run' }, 'running')
  const stream = await watch(t, url + story.path(job.id))
  await stream.until(1)

  await app.jobs.finish(EDITOR, job.id, 'aborted', {
    result: { passed: 2, total: 9, error: 'Stopped by Ada' },
  })
  const late = await watch(t, url + story.path(job.id))
  const poll = await fetch(`${url}/api/v1/runs/${job.id}`, { headers: as('viewer') })

  t.ok(await stream.ended())
  t.ok(await late.ended())
  const done = { type: 'done', status: 'aborted', passed: 2, total: 9 }
  t.strictSame(messagesOf(stream).at(-1), done)
  t.strictSame(messagesOf(late).at(-1), done)
  t.match(messagesOf(late)[0].run, { status: 'aborted', error: 'Stopped by Ada' })
  t.match(await poll.json(), { status: 'aborted', passed: 2, total: 9 })
})

t.test('the snapshot and later messages have each line once, whenever a client connects', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  await app.jobs.claim(EDITOR, { runner: 'r', kinds: ['run'] }, new AbortController().signal)
  const lines = Array.from({ length: 300 }, (_, line) => line)
  const streams: Promise<EventStream>[] = []

  for (const line of lines) {
    if (line % 10 === 0) streams.push(watch(t, url + story.path(job.id)))
    await app.jobs.append(EDITOR, job.id, [{ type: 'log', data: { line } }], { attempt: 1 })
  }
  await finish(app, story, job)

  for (const stream of await Promise.all(streams)) {
    t.ok(await stream.ended())
    const [snapshot, ...later] = messagesOf(stream)
    const live = later.filter(({ type }) => type === 'log').map(({ message }) => message)
    t.same([...snapshot.run.logs, ...live], lines.map(String))
  }
})

t.test('a snapshot has the newest 5,000 lines, and is marked if there were more', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  await run(app, story, job)
  const snapshot = async () => {
    const [first] = await (await watch(t, url + story.path(job.id))).until(1)
    return JSON.parse(first?.data ?? '').run
  }
  const append = (from: number, count: number, more = {}) => {
    const events = Array.from({ length: count }, (_, n) => ({
      type: 'log',
      data: { line: `${from + n}`, ...more },
    }))
    return app.jobs.append(EDITOR, job.id, events, { attempt: 1 })
  }

  // The story itself has two.
  for (const thousand of [0, 1, 2, 3]) await append(thousand * 1_000, 1_000)
  await append(4_000, 998)
  const whole = await snapshot()
  await append(4_998, 1)
  const cut = await snapshot()
  for (const n of [0, 1, 2, 3, 4, 5])
    await append(5_000 + n, 1, { message: `${5_000 + n}${'x'.repeat(200_000)}` })
  const large = await snapshot()

  t.equal(whole.logs.length, 5_000)
  t.notOk('logsTruncated' in whole)
  t.equal(cut.logs.length, 5_000)
  t.equal(cut.logsTruncated, true)
  t.equal(cut.logs.at(-1), '4998')
  t.equal(large.logsTruncated, true)
  t.ok(JSON.stringify(large).length < 1_200_000, 'a megabyte of them')
  t.match(large.logs.at(-1), /^5005x/)
})

t.test('the token may be in the URL', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  const { authorization: _, ...headers } = as('viewer')

  const response = await fetch(`${url}${story.path(job.id)}?token=${token()}`, { headers })

  t.equal(response.status, 200)
  await response.body?.cancel()
})

t.test('a line may hold any text that JSON can', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  await run(app, story, job)
  const line = 'a\r\nid: 7\n\ndata: {"type":"done"}\n\n\u2028\u0000\ud800'
  const stream = await watch(t, url + story.path(job.id))
  await stream.until(1)

  await app.jobs.append(EDITOR, job.id, [{ type: 'log', data: { line } }], { attempt: 1 })
  const late = await watch(t, url + story.path(job.id))

  await stream.until(2)
  await late.until(1)
  t.equal(messagesOf(stream)[1]?.line, line)
  t.equal(messagesOf(late)[0]?.run.logs.at(-1), line)
})

interface RunMessage {
  readonly type: string
  readonly line?: unknown
  readonly message?: unknown
  readonly run: { readonly logs: readonly unknown[] }
}

function messagesOf(stream: EventStream): [RunMessage, ...RunMessage[]] {
  const messages: RunMessage[] = stream.messages.map(({ event, data }) => {
    if (event !== undefined) throw new Error(`A message has the name ${event}.`)
    return JSON.parse(data)
  })
  const [first, ...others] = messages
  if (!first) throw new Error('Nothing was said.')
  return [first, ...others]
}
