/** Circuit breakers of the sender: who is held back by whose failures. */
import { createServer } from 'node:http'
import t from 'tap'
import { movableClock } from '../../../harness/clock.js'
import { freePort } from '../../../harness/port.js'
import { httpReceiver, listening, requestTo, testSender } from '../../../harness/sender.js'
import { until } from '../../../harness/until.js'

const PAUSE_MS = 5_000

t.test('a dead host with a hundred endpoints costs five attempts, then one probe at a time', async t => {
  const clock = movableClock(t)
  const url = `http://127.0.0.1:${await freePort()}`
  const sender = testSender(t)
  const everybody = () =>
    Promise.all(
      Array.from({ length: 100 }, (_, n) => sender.send(requestTo(`${url}/${n}`, { workspace: `w${n}` }))),
    )
  const kinds = async () => {
    const outcomes = await everybody()
    return ['failed', 'held-back', 'answered'].map(kind => outcomes.filter(each => each.kind === kind).length)
  }

  t.strictSame(await kinds(), [5, 95, 0])
  t.strictSame(await kinds(), [0, 100, 0])
  const [held] = await everybody()
  t.match(held, { kind: 'held-back', cause: 'The host accepts no connection (ECONNREFUSED).' })
  t.ok(held?.kind === 'held-back' && held.untilMs > Date.now())

  clock.forward(PAUSE_MS + 1)
  t.strictSame(await kinds(), [1, 99, 0])
  clock.forward(2 * PAUSE_MS + 1)
  await listening(
    t,
    createServer((_, response) => response.end()),
    '127.0.0.1',
    Number(new URL(url).port),
  )
  t.strictSame(await kinds(), [0, 99, 1])
  t.strictSame(await kinds(), [0, 0, 100])
})

t.test('a workspace whose URL stalls on a shared host holds back only itself', async t => {
  const receiver = await httpReceiver(t, ({ url }, response) => {
    if (url !== '/stalls') response.end()
  })
  const sender = testSender(t, { timeoutMs: 300 })
  const stalls = () => sender.send(requestTo(`${receiver.url}/stalls`, { workspace: 'attacker' }))
  await Promise.all(Array.from({ length: 5 }, stalls))

  t.match(await stalls(), { kind: 'held-back' })
  t.match(await sender.send(requestTo(receiver.url, { workspace: 'attacker' })), { kind: 'held-back' })
  // A machine that stands still for 300 ms lets a request fail.
  const other = async () => (await sender.send(requestTo(receiver.url, { workspace: 'other' }))).kind
  await until('another workspace gets an answer', async () => (await other()) === 'answered')
})

t.test('errors that a receiver answers do not hold it back', async t => {
  const receiver = await httpReceiver(t, (_, response) => response.writeHead(500).end())
  const sender = testSender(t)

  for (let n = 0; n < 20; n++) t.match(await sender.send(requestTo(receiver.url)), { status: 500 })
})

t.test('a refused address says nothing of the host, and is refused each time', async t => {
  const sender = testSender(t)

  for (let n = 0; n < 20; n++)
    t.match(await sender.send(requestTo('https://127.0.0.2/')), { error: 'refused-address' })
})

t.test('a test by hand is sent to a host that is held back', async t => {
  const url = `http://127.0.0.1:${await freePort()}`
  const sender = testSender(t)
  for (let n = 0; n < 5; n++) await sender.send(requestTo(url))
  await listening(
    t,
    createServer((_, response) => response.end()),
    '127.0.0.1',
    Number(new URL(url).port),
  )

  t.match(await sender.send(requestTo(url)), { kind: 'held-back' })
  t.match(await sender.send(requestTo(url, { isTest: true })), { kind: 'answered' })
})
