import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

/** Signals within this time count as one request (src/process/stop-signals.ts). */
const DUPLICATE_MS = 1_000
/** Longer than the test: only a second signal ends it. */
const LONG = { DRAIN_DELAY_MS: '600000', LOG_LEVEL: 'info' }

t.test('after SIGTERM only /ready says so, until a second signal skips the delay', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: LONG })
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)

  gateway.signal('SIGTERM')
  await until('it is not ready', async () => (await probe(gateway.url)).status === 503)
  const isLater = later()
  const { body } = await probe(gateway.url)
  const [id] = await publish(gateway, { type: 'thing.made', data: {} })
  const late = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: as('viewer') })

  t.equal((await fetch(`${gateway.url}/health`)).headers.get('connection'), 'close')
  t.match(body, { status: 'unready', mode: 'normal', database: 'up', stops_in_ms: Number })
  t.equal((await stream.until(1, 'thing.made'))[0]?.id, id)
  t.equal((await late.until(1, 'thing.made'))[0]?.id, id)
  t.notMatch(stream.text(), 'draining')
  t.match(gateway.output(), /"clients":1,"inMs":600000,"msg":"This process is going to stop/)

  const ended = gateway.ended()
  await until('a further signal is a request of its own', isLater)
  gateway.signal('SIGINT')
  await gateway.until(/"msg":"Draining: the streams end/)
  t.equal(await ended, 0)
  for (const each of [stream, late]) {
    t.equal(await each.ended(), true, 'a clean end')
    t.match(each.text(), /"mode":"draining"/)
  }
  t.match(gateway.output(), /"clients":2,"drainMs":500,"msg":"Draining: the streams end/)
  t.match(gateway.output(), /"clients":2,"ended":[12],"msg":"Draining: half/)
  t.match(gateway.output(), /"clients":2,"ended":2,"ms":\d+,"msg":"Drained/)
  t.notMatch(gateway.output(), 'again: leaving at once')
})

t.test('with workers, each of them is unready until all of them drain', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { ...LONG, WORKERS: '2' } })
  await until('all workers', async () => (await probe(gateway.url)).body.workers === 2)
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)

  gateway.signal('SIGTERM')
  await until('both have heard of it', () => {
    return gateway.output().match(/"msg":"This process is going to stop/g)?.length === 2
  })
  const isLater = later()
  // A connection of its own each time: whichever worker is asked.
  const probes = await Promise.all(Array.from({ length: 10 }, () => probe(gateway.url)))
  await publish(gateway, { type: 'thing.made', data: {} })
  await stream.until(1, 'thing.made')

  t.strictSame(new Set(probes.map(({ status }) => status)), new Set([503]))
  t.notMatch(stream.text(), 'draining')
  const ended = gateway.ended()
  await until('a further signal is a request of its own', isLater)
  gateway.signal('SIGTERM')
  await stream.until(() => stream.text().includes('"mode":"draining"'))
  t.equal(await ended, 0)
  t.equal(await stream.ended(), true, 'a clean end')
})

t.test('the delay is over by itself', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { DRAIN_DELAY_MS: '300', LOG_LEVEL: 'info' } })

  t.equal(await gateway.stop(), 0)
  t.match(gateway.output(), /going to stop[\s\S]*"clients":0,"drainMs":500,"msg":"Draining: the streams end/)
})

/** @returns whether more time has passed since now than in which two signals count as one request. */
function later(): () => boolean {
  const since = performance.now()
  return () => performance.now() - since > DUPLICATE_MS
}

async function probe(url: string): Promise<{ status: number; body: { workers?: number } }> {
  const response = await fetch(`${url}/ready`, { headers: { connection: 'close' } })
  return { status: response.status, body: Object(await response.json()) }
}
