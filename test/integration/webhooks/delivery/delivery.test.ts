/** Deliveries of one process: their order, what follows each outcome, and the states of an endpoint. */
import t from 'tap'
import { until } from '../../../harness/until.js'
import { SECRET } from '../stored-webhook.js'
import { AlarmClock } from './alarm-clock.js'
import { SECOND_SECRET, startDeliveries } from './deliveries.js'
import { answer, OK, type SentRequest } from './scripted-sender.js'

const HOUR = 3_600_000
/** As docs/webhooks.md says, in milliseconds. */
const SCHEDULE = [5_000, 30_000, 120_000, 600_000, 1_800_000, 1, 3, 6, 12, 24].map(n =>
  n < 100 ? n * HOUR : n,
)

t.test('an endpoint gets the stored and the later events of its stream in order, each once', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  await deliveries.publish(3)
  const id = await deliveries.create()
  await deliveries.settled(id, 3)
  await deliveries.publish(2)

  await deliveries.settled(id, 5)

  t.strictSame(sender.sentTo(id), ['1', '2', '3', '4', '5'])
  const attempts = await deliveries.attempts(id)
  t.match(
    attempts,
    [1, 2, 3, 4, 5].map(n => ({ n, attempt: 1, outcome: 'delivered', status: 204 })),
  )
})

t.test(
  'a failing event holds only its own endpoint, keeps its webhook-id, and pauses it after ten retries',
  async t => {
    const deliveries = await startDeliveries(t)
    const clock = new AlarmClock()
    const { sender } = deliveries.start({ clock, random: () => 0.5 })
    const id = await deliveries.create({ url: 'https://broken.example.com/a' })
    const other = await deliveries.create()
    sender.script = ({ webhook, message }) =>
      webhook === id && message.data.includes('2') ? answer(500) : OK
    await deliveries.publish(3)
    await deliveries.settled(other, 3)

    const pauses: (number | undefined)[] = []
    for (const attempt of SCHEDULE.keys()) {
      await until(
        `attempt ${attempt + 1}`,
        () => sender.sentTo(id).length === attempt + 2 && clock.next !== undefined,
      )
      pauses.push(clock.next)
      clock.forward((clock.next ?? 0) - 1)
      clock.forward(1)
    }
    await until('the pause', async () => (await deliveries.state(id)).state === 'paused')

    t.strictSame(pauses, SCHEDULE)
    t.strictSame(
      sender.sentTo(id),
      ['1', '2', ...SCHEDULE.map((_, n) => `2#${n + 2}`)],
      'one attempt and ten retries of the event, and nothing after it',
    )
    t.equal(new Set(sender.requests.filter(isOf(id, '2')).map(({ message }) => message.eventId)).size, 1)
    t.match(await deliveries.state(id), { reason: 'exhausted', cursor: 1 })
    t.same(await deliveries.feedTypes(), ['webhook.paused'])
    const attempts = await deliveries.attempts(id)
    t.match(attempts.slice(1), [
      ...SCHEDULE.map((_, n) => ({ n: 2, attempt: n + 1, outcome: 'failed', status: 500, next: true })),
      { n: 2, attempt: 11, outcome: 'failed', next: false },
    ])

    sender.script = () => OK
    await deliveries.setState(id, 'active')
    await until('what it has missed', () => sender.sentTo(id).includes('3'))
    t.strictSame(sender.sentTo(id).slice(12, 14), ['2', '3'], 'after a resume the schedule begins anew')
  },
)

t.test('each retry comes within a fifth of its pause, and no sooner than the receiver asks for', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  let random = 0
  const { sender } = deliveries.start({ clock, random: () => random })
  const answers = [answer(500), answer(429, 60_000), answer(503, 30 * 365 * 24 * HOUR), answer(302), OK]
  sender.script = () => answers.shift() ?? OK
  const id = await deliveries.create()
  await deliveries.publish(1)

  const pauses: (number | undefined)[] = []
  for (const [attempt, next] of [1, 0, 0, 0.5].entries()) {
    await until(
      `attempt ${attempt + 1}`,
      () => sender.requests.length === attempt + 1 && clock.next !== undefined,
    )
    pauses.push(clock.next)
    random = next
    clock.forward(clock.next ?? 0)
  }
  await deliveries.settled(id, 1)

  t.strictSame(pauses, [4_000, 60_000, 24 * HOUR, 480_000])
  t.strictSame(sender.sentTo(id), ['1', '1#2', '1#3', '1#4', '1#5'])
})

t.test('an endpoint that skips has its dead letters, and goes on', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  const { sender } = deliveries.start({ clock, pausesMs: [1_000] })
  sender.script = ({ message }) => (message.data.includes('2') ? answer(500) : OK)
  const id = await deliveries.create({ onExhausted: 'skip' })
  await deliveries.publish(3)
  await until('the alarm', () => clock.next !== undefined)
  clock.forward(1_200)

  await deliveries.settled(id, 3)

  t.strictSame(sender.sentTo(id), ['1', '2', '2#2', '3'])
  t.match(await deliveries.state(id), { state: 'active' })
  t.match(await deliveries.deadLetters(id), [{ position: 2, attempts: 2, status: 500 }])
  t.match((await deliveries.attempts(id))[2], { n: 2, outcome: 'dead' })
})

t.test('410 disables an endpoint; so does a skipping one that has had no success for five days', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  const { sender } = deliveries.start({ clock })
  const gone = await deliveries.create({ url: 'https://gone.example.com/' })
  const dead = await deliveries.create({ onExhausted: 'skip' })
  sender.script = ({ webhook }) => (webhook === gone ? answer(410) : answer(500))
  await deliveries.publish(4)

  await until('410', async () => (await deliveries.state(gone)).state === 'disabled')
  while ((await deliveries.state(dead)).state === 'active') {
    const seen = sender.requests.length
    await until('an alarm or the end', async () => {
      return clock.next !== undefined || (await deliveries.state(dead)).state !== 'active'
    })
    clock.forward(clock.next ?? 0)
    await until('an attempt or the end', async () => {
      return sender.requests.length > seen || (await deliveries.state(dead)).state !== 'active'
    })
  }

  t.match(await deliveries.state(gone), { state: 'disabled', reason: 'gone', cursor: 0 })
  t.equal(sender.sentTo(gone).length, 1)
  t.match(await deliveries.state(dead), { state: 'disabled', reason: 'no-success' })
  t.ok((await deliveries.deadLetters(dead)).length > 0)
})

t.test('a delivery that the breaker holds back is no attempt', async t => {
  const deliveries = await startDeliveries(t)
  const clock = new AlarmClock()
  const { sender } = deliveries.start({ clock })
  let held = 0
  sender.script = () => (held++ < 3 ? { kind: 'held-back', untilMs: clock.now() + 60_000 } : OK)
  const id = await deliveries.create()
  await deliveries.publish(2)

  for (const time of [1, 2, 3]) {
    await until(`it is held back ${time} times`, () => held === time && clock.next !== undefined)
    t.equal(clock.next, 60_000)
    clock.forward(60_000)
  }
  await deliveries.settled(id, 2)

  t.strictSame(sender.sentTo(id), ['1', '1', '1', '1', '2'])
  t.match(await deliveries.attempts(id), [
    { n: 1, attempt: 1, outcome: 'delivered' },
    { n: 2, attempt: 1 },
  ])
})

t.test(
  'a parallel endpoint has up to n deliveries under way, and one that fails does not hold the others',
  async t => {
    const deliveries = await startDeliveries(t)
    const clock = new AlarmClock()
    const { sender } = deliveries.start({ clock })
    const id = await deliveries.create({ order: 'parallel', maxInFlight: 4 })
    const open: (() => void)[] = []
    sender.script = ({ message, attempt }) =>
      new Promise(resolve => {
        open.push(() => resolve(message.data === '{"n":3}' && attempt === 1 ? answer(500) : OK))
      })
    await deliveries.publish(10)
    await until('four are under way', () => open.length === 4)

    // The last one first.
    open.pop()?.()
    await until('the next one', () => sender.requests.length === 5)
    t.match(await deliveries.state(id), { cursor: 0 }, 'the first three are not settled')
    while (sender.requests.length < 10 || sender.underWay > 0) {
      open.shift()?.()
      await new Promise(setImmediate)
    }
    await deliveries.settled(id, 10)
    t.match(
      await deliveries.waiting(id),
      [{ lane: 'live', position: 3, attempts: 1 }],
      'it is stored, so the cursor is beyond it',
    )
    clock.forward(6_000)
    await until('its next try', () => open.length === 1)
    open.shift()?.()
    await until('nothing waits', async () => (await deliveries.waiting(id)).length === 0)

    t.equal(sender.mostUnderWay, 4)
    t.strictSame(sender.sentTo(id), ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '3#2'])
  },
)

t.test('changes by an admin take effect in a running process: pause, resume, settings, deletion', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create()
  await deliveries.publish(1)
  await deliveries.settled(id, 1)

  await deliveries.setState(id, 'paused')
  await until('the lease has ended', async () => (await deliveries.state(id)).node === null)
  await deliveries.publish(1)
  t.strictSame(sender.sentTo(id), ['1'])
  await deliveries.setState(id, 'active')
  await deliveries.settled(id, 2)
  await deliveries.pool.query(
    `update sluice.webhooks set url = 'https://other.example.com/', revision = revision + 1 where id = $1`,
    [id],
  )
  await until('the new URL', async () => {
    await deliveries.publish(1)
    return sender.requests.at(-1)?.url === 'https://other.example.com/'
  })
  await deliveries.pool.query('delete from sluice.consumers where id = $1', [id])
  await until('it is given up', () => deliveries.held() === 0)
  const before = sender.requests.length
  await deliveries.publish(1)

  const numbers = sender.sentTo(id)
  t.strictSame(numbers, [...new Set(numbers)], 'nothing twice')
  t.equal(sender.requests.length, before)
})

t.test('in maintenance no delivery begins, and afterwards all follow', async t => {
  const deliveries = await startDeliveries(t)
  let maintenance = true
  const { sender } = deliveries.start({ paused: () => maintenance })
  const id = await deliveries.create()
  await deliveries.publish(3)
  await until('it is held', async () => (await deliveries.state(id)).node !== null)

  t.strictSame(sender.sentTo(id), [])
  maintenance = false
  await deliveries.settled(id, 3)
  t.strictSame(sender.sentTo(id), ['1', '2', '3'])
})

t.test('a delivery that a short maintenance has held back follows, even if nothing else happens', async t => {
  const deliveries = await startDeliveries(t)
  const id = await deliveries.create()
  let maintenance = false
  let asked = 0
  const paused = () => {
    asked += 1
    return maintenance
  }
  const { deliverer, sender } = deliveries.start({ paused, everyMs: 600_000 })
  await deliveries.publish(1)
  await deliveries.settled(id, 1)

  maintenance = true
  asked = 0
  await deliveries.publish(1)
  await until('the lane asks', () => asked > 0)
  maintenance = false
  await deliverer.look()
  await deliveries.settled(id, 2)

  t.strictSame(sender.sentTo(id), ['1', '2'])
})

t.test('a filter passes over events, and the cursor follows', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create({ types: 'other.*' })
  await deliveries.publish(300)
  await deliveries.append(1, '{"n":"x"}', 'other.made')
  await deliveries.settled(id, 301)
  await deliveries.publish(2)

  await deliveries.settled(id, 303)

  t.strictSame(sender.sentTo(id), ['x'])
})

function isOf(id: string, n: string) {
  return ({ webhook, message }: SentRequest) => webhook === id && message.data === `{"n":${n}}`
}

t.test('a replaced secret signs until its overlap is over, however long the endpoint is held', async t => {
  const deliveries = await startDeliveries(t)
  const { sender } = deliveries.start()
  const id = await deliveries.create()
  let sent = 0
  const signers = async () => {
    sent += 1
    await deliveries.publish(1)
    await deliveries.settled(id, sent)
    return sender.requests.at(-1)?.secrets
  }
  t.strictSame(await signers(), [SECRET])

  await deliveries.rotateSecret(id, 1)
  await until('the new one signs', async () => (await signers())?.[0] === SECOND_SECRET)
  await until('the old one signs no longer', async () => (await signers())?.length === 1)

  t.strictSame(await signers(), [SECOND_SECRET])
})
