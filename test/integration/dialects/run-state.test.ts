/** The state of a run: however it was reported, a new snapshot equals what a client has that merged every message. */
import t, { type Test } from 'tap'
import { EDITOR } from '../../harness/dialect-story.js'
import { as, startGateway } from '../../harness/gateway.js'
import { watch } from '../../harness/transcript.js'

type Members = Record<string, unknown>
interface Message extends Members {
  readonly type: string
}
interface Run extends Members {
  readonly logs: unknown[]
  readonly results: unknown[]
}

t.test('a log is the same text live and in the snapshot, however it was reported', async t => {
  const { report, messages, run } = await startRun(t)
  const reports: [type: string, data: Members, text: string][] = [
    ['log', { message: 'said' }, 'said'],
    ['log', { line: 'a line' }, 'a line'],
    ['output', { line: 'written', stream: 'stdout' }, 'written'],
    ['log', { message: 'first', line: 'second' }, 'first'],
    ['log', { message: null, line: 'second' }, 'second'],
    ['log', { type: 'log', message: 'twice' }, 'twice'],
    ['log', { message: { code: 7 } }, '{"code":7}'],
    ['log', { line: 42 }, '42'],
    ['log', { level: 'warn', code: 3 }, '{"level":"warn","code":3}'],
    ['log', {}, '{}'],
    ['log', { message: '' }, ''],
  ]
  const texts = reports.map(([, , text]) => text)

  for (const [type, data] of reports) await report(type, data)

  const live = await messages(reports.length)
  t.strictSame(
    live.map(({ message }) => message),
    texts,
  )
  t.ok(live.every(({ type }) => type === 'log'))
  t.strictSame((await run()).logs, texts)
  t.match(live[2], { stream: 'stdout', line: 'written' }, 'the other members stay')
})

t.test('a result has one shape live and in the snapshot, however it was reported', async t => {
  const { report, messages, run } = await startRun(t)
  const reports: [data: Members, result: Members][] = [
    [
      { test: 'adds', outcome: 'passed' },
      { test: 'adds', outcome: 'passed' },
    ],
    [{ result: { test: 'wrapped' } }, { test: 'wrapped' }],
    [{ type: 'result', result: { test: 'whole message' } }, { test: 'whole message' }],
    [{ type: 'result', test: 'flat message' }, { test: 'flat message' }],
    [
      { type: 'unit', test: 'of a type' },
      { type: 'unit', test: 'of a type' },
    ],
    [
      { test: 'own member', result: 'passed' },
      { test: 'own member', result: 'passed' },
    ],
    [{ result: 'passed' }, { result: 'passed' }],
    [{}, {}],
  ]
  const expected = reports.map(([, result]) => result)

  for (const [data] of reports) await report('result', data)

  const live = await messages(reports.length)
  t.strictSame(
    live.map(({ result }) => result),
    expected,
  )
  t.ok(live.every(({ type }) => type === 'result'))
  t.match(live[0], { test: 'adds', outcome: 'passed' }, 'the members are beside it as well')
  t.strictSame((await run()).results, expected)

  await report('run.updated', { results: [{ result: { test: 'a' } }, { test: 'b' }] })
  await report('result', { test: 'c' })
  const [update] = await messages(2)
  t.strictSame(update?.run, { results: [{ test: 'a' }, { test: 'b' }] })
  t.strictSame((await run()).results, [{ test: 'a' }, { test: 'b' }, { test: 'c' }])
})

t.test('a run has the fields of its payload, of updates and of its result; its own ones stay', async t => {
  const payload = { type: 'e2e', projectId: 'p1', tests: 3, status: 'hacked', id: 'x', __proto__: 'y' }
  const { report, messages, run, finish, job } = await startRun(t, payload)
  t.match(await run(), { type: 'e2e', projectId: 'p1', tests: 3, status: 'running', id: job.id })

  await report('run.updated', { currentStep: 'Log in', passed: 1, status: 'failed', result: {} })
  await report('snapshot', { type: 'snapshot', run: { currentStep: 'Pay', failed: 0, id: 'x', kind: 'x' } })
  await report('status', { status: 'running', startedAt: 'Monday' })
  await report('run.updated', { logs: 'none', results: null, tests: 4 })

  const [first, second, third, fourth] = await messages(4)
  t.strictSame(first, { type: 'run.updated', run: { currentStep: 'Log in', passed: 1 } })
  t.strictSame(second, { type: 'run.updated', run: { currentStep: 'Pay', failed: 0 } })
  t.strictSame(third, { type: 'status', status: 'running', startedAt: 'Monday' })
  t.strictSame(fourth, { type: 'run.updated', run: { tests: 4 } })
  t.match(await run(), {
    id: job.id,
    status: 'running',
    kind: 'run',
    currentStep: 'Pay',
    passed: 1,
    failed: 0,
    tests: 4,
    startedAt: 'Monday',
    finishedAt: null,
    result: null,
    logs: [],
    results: [],
  })

  await finish({ passed: 3, failed: 1, total: 4, error: 'One failed', finishedAt: 'Tuesday', id: 'x' })

  const ended = await run()
  t.match(ended, { type: 'e2e', tests: 4, passed: 3, failed: 1, total: 4, error: 'One failed' })
  t.match(ended, { id: job.id, status: 'completed', finishedAt: 'Tuesday', currentStep: 'Pay' })
  t.strictSame(Object.getPrototypeOf(ended), Object.prototype)
})

t.test('thousands of updates are folded, and the oldest only count if all fit', async t => {
  const { reportAll, run } = await startRun(t)
  const updates = (count: number, data: (n: number) => Members) =>
    Array.from({ length: count }, (_, n) => ({ type: 'run.updated', data: data(n) }))
  await reportAll([{ type: 'run.updated', data: { branch: 'main' } }])
  for (let thousand = 0; thousand < 3; thousand += 1) {
    await reportAll(updates(1_000, n => ({ passed: thousand * 1_000 + n })))
  }

  const whole = await run()
  for (let n = 0; n < 6; n += 1) await reportAll(updates(1, () => ({ note: `${n}${'x'.repeat(200_000)}` })))
  const cut = await run()

  t.match(whole, { branch: 'main', passed: 2_999 })
  t.notOk('updatesTruncated' in whole)
  t.match(cut, { note: /^5x/, updatesTruncated: true })
  t.notOk('branch' in cut)
})

t.test(
  'a client that polls gets the run of the snapshot, and the place where its stream goes on',
  async t => {
    const { url, report, job } = await startRun(t, { projectId: 'p1' })
    await report('log', { line: 'Hello' })
    await report('result', { test: 'adds' })

    const response = await fetch(`${url}/api/v1/runs/${job.id}`, { headers: as('viewer') })
    const stream = await watch(t, `${url}/api/v1/runs/${job.id}/events`)
    const [snapshot] = await stream.until(1)

    t.equal(response.status, 200)
    t.strictSame(await response.json(), JSON.parse(snapshot?.data ?? '').run)
    t.equal(response.headers.get('x-sluice-head'), snapshot?.id)
    t.equal(response.headers.get('cache-control'), 'private, no-cache')
    const foreign = await fetch(`${url}/api/v1/runs/${job.id}`, { headers: as('viewer', 'globex') })
    t.equal(foreign.status, 404)
  },
)

/** A run that this program executes, with one client that follows it. */
async function startRun(t: Test, payload: Members = {}) {
  const { app, url } = await startGateway(t)
  const job = await app.jobs.create(EDITOR, { kind: 'run', payload }, 'running')
  const path = `${url}/api/v1/runs/${job.id}/events`
  const stream = await watch(t, path)
  await stream.until(1)
  let read = 1
  return {
    url,
    job,
    report: (type: string, data: Members) => app.jobs.append(EDITOR, job.id, [{ type, data }], {}),
    reportAll: (events: { type: string; data: Members }[]) => app.jobs.append(EDITOR, job.id, events, {}),
    finish: (result: Members) => app.jobs.finish(EDITOR, job.id, 'completed', { result }),
    /** The next messages of the client. */
    async messages(count: number): Promise<Message[]> {
      const all = await stream.until(read + count)
      const next = all.slice(read, read + count).map(({ data }): Message => JSON.parse(data))
      read += count
      return next
    },
    /** The run in a new snapshot. */
    async run(): Promise<Run> {
      const late = await watch(t, path)
      const [snapshot] = await late.until(1)
      late.close()
      return JSON.parse(snapshot?.data ?? '').run
    },
  }
}
