/** clients/typescript/src/ai/resumable/ under the npm package resumable-stream, with a gateway in the place of Redis. */
import { createResumableStreamContext } from 'resumable-stream/generic'
import t, { type Test } from 'tap'
import {
  createResumableStore,
  type ResumableStore,
} from '../../../../../clients/typescript/src/ai/resumable/resumable-store.js'
import { startGateway } from '../../../../harness/gateway.js'
import { within } from '../../../../harness/patience.js'
import { token } from '../../../../harness/tokens.js'
import { until } from '../../../../harness/until.js'

const PATIENCE_MS = 30_000

t.test(
  'a stream is resumed from another process: whole, after some characters, twice, and at its end',
  async t => {
    const { producer, consumer } = await setUp(t)
    const source = controlled()
    const created = await producer.createNewResumableStream('a', () => source.stream)
    source.say('Good ')
    const own = collect(created)

    t.equal(await consumer.hasExistingStream('a'), true)
    const first = collect(await consumer.resumeExistingStream('a'))
    const second = collect(await consumer.resumeExistingStream('a', 3))
    const third = collect(
      await consumer.resumableStream('a', () => Promise.reject(new Error('made twice')) as never),
    )
    await until(
      'what was there has arrived',
      () => first.text === 'Good ' && second.text === 'd ',
      PATIENCE_MS,
    )
    source.say('morning')
    source.end()
    await within(
      PATIENCE_MS,
      Promise.all([own, first, second, third].map(({ ended }) => ended)),
      () => `${own.text}, ${first.text}, ${second.text}, ${third.text}`,
    )

    t.strictSame(
      [own.text, first.text, second.text, third.text],
      ['Good morning', 'Good morning', 'd morning', 'Good morning'],
    )
    await until('it is done', async () => (await consumer.hasExistingStream('a')) === 'DONE', PATIENCE_MS)
    t.equal(await consumer.resumeExistingStream('a'), null)
    t.equal(await consumer.resumableStream('a', () => source.stream), null)
  },
)

t.test('a stream that is missing is undefined, and created by the first who asks for it', async t => {
  const { producer, consumer } = await setUp(t)

  t.equal(await consumer.hasExistingStream('a'), null)
  t.equal(await consumer.resumeExistingStream('a'), undefined)
  const source = controlled()
  const created = collect(await producer.resumableStream('a', () => source.stream))
  source.say('Hello')
  source.end()
  await within(PATIENCE_MS, created.ended, () => created.text)

  t.equal(created.text, 'Hello')
})

t.test('an answer larger than an event, and halves of emojis, arrive as they were', async t => {
  const { producer, consumer } = await setUp(t)
  const source = controlled()
  const text = `${'ä\n'.repeat(150_000)}\u{1F600}\0\ud83d`
  collect(await producer.createNewResumableStream('a', () => source.stream))
  source.say(text)

  const resumed = collect(await consumer.resumeExistingStream('a'))
  const afterHalf = collect(await consumer.resumeExistingStream('a', text.length - 3))
  source.say('\ude00')
  source.end()
  await within(
    PATIENCE_MS,
    Promise.all([resumed.ended, afterHalf.ended]),
    () => `${resumed.text.length} units`,
  )

  t.ok(resumed.text === `${text}\ude00`, `${resumed.text.length} units`)
  t.equal(afterHalf.text, `${text.slice(-3)}\ude00`)
})

t.test(
  'of many that count at once, each gets another number; values expire and need be integers',
  async t => {
    const { stores } = await setUp(t)
    const [{ publisher }, { publisher: other }] = stores

    const counted = await Promise.all(
      Array.from({ length: 10 }, (_, n) => (n % 2 ? publisher : other).incr('count')),
    )
    await publisher.set('done', 'DONE', { EX: 60 })
    await publisher.set('over', '5', { EX: 0 })
    await publisher.set('a/key: with ünusual characters', '1')

    t.strictSame(
      counted.sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    )
    t.equal(await other.get('done'), 'DONE')
    await t.rejects(other.incr('done'), /ERR value is not an integer or out of range/)
    t.equal(await other.get('over'), null)
    t.equal(await other.incr('over'), 1)
    t.equal(await other.get('a/key: with ünusual characters'), '1')
    t.equal(await other.get('none'), null)
  },
)

async function setUp(t: Test) {
  const { url } = await startGateway(t)
  const open = () =>
    createResumableStore({
      url,
      credentials: token({ role: 'editor' }),
      retry: 20,
      max: 200,
      onError: error => t.fail(String(error)),
    })
  const stores: [ResumableStore, ResumableStore] = [open(), open()]
  const [producer, consumer] = stores.map(store =>
    createResumableStreamContext({
      ...store,
      // What it does after the end of a stream needs the gateway.
      waitUntil: promise => t.teardown(() => promise),
      doneWatchdogIntervalMs: 500,
    }),
  )
  if (!producer || !consumer) throw new Error('two contexts')
  return { stores, producer, consumer }
}

function controlled() {
  let controller: ReadableStreamDefaultController<string> | undefined
  const stream = new ReadableStream<string>({
    start(given) {
      controller = given
    },
  })
  return { stream, say: (text: string) => controller?.enqueue(text), end: () => controller?.close() }
}

function collect(stream: ReadableStream<string> | null | undefined) {
  const collected = { text: '', ended: Promise.resolve() }
  collected.ended = (async () => {
    const reader = stream?.getReader()
    for (;;) {
      const next = await reader?.read()
      if (!next || next.done) return
      collected.text += next.value
    }
  })()
  return collected
}
