import t, { type Test } from 'tap'
import { type EventStream, openStream } from '../../../harness/event-stream.js'
import { type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { bearer, secondsFromNow, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const event = { type: 'thing.made', data: {} }
/** How long a token lasts that ends within a test, in seconds: a machine that stands still meanwhile leaves time for a request. */
const SHORT_S = 8
const STEP_MS = 100

t.test('a stream ends within a second of its token, not before', async t => {
  const gateway = await startGateway(t)
  const time = runningTime(t)
  const exp = secondsFromNow(3)
  const streams = await Promise.all(
    ['text/event-stream', 'application/x-ndjson'].map(accept => open(t, gateway, exp, { accept })),
  )
  const late = await open(t, gateway, exp + 60)

  const ends = streams.map(async stream => ({ clean: await stream.ended(), at: Date.now() }))
  await until('the token has ended', () => Date.now() >= exp * 1_000)
  const begun = time()
  for (const { clean, at } of await Promise.all(ends)) {
    t.ok(clean)
    t.ok(at >= exp * 1_000, `${at - exp * 1_000} ms after`)
  }
  t.ok(time() - begun <= 1_000, `${time() - begun} ms of this process after`)
  for (const stream of streams) {
    t.match(stream.text(), /auth-expired.*\n/)
  }
  await publish(gateway, event)
  await late.until(1, 'thing.made')
})

t.test('a stream whose token has expired, within the clock tolerance, ends at once', async t => {
  const gateway = await startGateway(t)
  const [id] = await publish(gateway, event)

  const stream = await open(t, gateway, secondsFromNow(-2), { 'last-event-id': '0' })

  t.ok(await stream.ended())
  t.equal(stream.response.statusCode, 200)
  t.match(stream.messages.at(-1), { event: 'auth-expired', data: '{}' })
  t.strictSame(
    stream.messages.flatMap(({ event, id: at }) => (event === 'thing.made' ? [at] : [])),
    [id].slice(0, stream.messages.length - 2),
    'and says nothing after that',
  )
  t.equal((await poll(gateway, secondsFromNow(-60))).status, 401)
})

t.test('a long poll is answered when the token ends', async t => {
  const gateway = await startGateway(t)
  const exp = secondsFromNow(3)

  const answer = await poll(gateway, exp)

  t.equal(answer.status, 200)
  t.match(await answer.json(), { events: [] })
  t.ok(Date.now() >= exp * 1_000 - 100)
})

t.test('a claim that waits ends with its token', async t => {
  const gateway = await startGateway(t)
  const exp = secondsFromNow(SHORT_S)
  const headers = { ...bearer(token({ role: 'runner', exp })), 'content-type': 'application/json' }

  const answer = fetch(`${gateway.url}/api/jobs/claim`, {
    method: 'POST',
    headers,
    body: '{"runner":"r1","wait_ms":30000}',
  })
  await until('it waits', () => gateway.app.guard.watched === 1)
  await until('the token has ended', () => Date.now() >= (exp + 1) * 1_000)
  await gateway.app.jobs.create({ id: 'ada', workspace: 'acme' }, { kind: 'build' })

  t.equal((await answer).status, 204)
  t.equal(gateway.app.guard.watched, 0)
})

t.test('a stream at its maximum age ends, and its client resumes at its place', async t => {
  const gateway = await startGateway(t, { env: { MAX_STREAM_AGE: '1' } })
  // Before, so that a busy machine cannot end the stream first.
  const [first] = await publish(gateway, event)
  const stream = await open(t, gateway, secondsFromNow(60), { 'last-event-id': '0' })

  t.ok(await stream.ended())
  const [second] = await publish(gateway, event)
  const next = await open(t, gateway, secondsFromNow(60), { 'last-event-id': `${first}` })

  t.equal(stream.retries.length, 1, 'with the first data')
  t.equal(stream.messages.at(-1)?.id, first)
  t.match(await next.until(1, 'thing.made'), [{ id: second }])
})

/** @returns a clock that counts only while this process, and so its gateway, runs. */
function runningTime(t: Test): () => number {
  let ms = 0
  const counting = setInterval(() => {
    ms += STEP_MS
  }, STEP_MS)
  t.teardown(() => clearInterval(counting))
  return () => ms
}

function open(t: Test, { url }: Gateway, exp: number, headers = {}): Promise<EventStream> {
  return openStream(t, `${url}/api/events`, { headers: { ...headers, ...bearer(token({ exp })) } })
}

function poll({ url }: Gateway, exp: number): Promise<Response> {
  const headers = { accept: 'application/json', ...bearer(token({ exp })) }
  return fetch(`${url}/api/events?wait=60s`, { headers })
}
