/** clients/typescript/src/ai/pipe.ts: how a stream of an answer ends, and how another producer continues it. */
import t from 'tap'
import {
  createAnswers,
  type Source,
  type SourceStart,
} from '../../../../../clients/typescript/src/ai/answers.js'
import { pipe } from '../../../../../clients/typescript/src/ai/pipe.js'
import { within } from '../../../../harness/patience.js'
import { startStandIn } from '../../../../harness/stand-in-durable-streams.js'
import { until } from '../../../../harness/until.js'

const PATIENCE_MS = 20_000
const FAST = { stream: 'a', retry: 5, max: 20, maxDelayMs: 1, cancellable: false }

t.test('a source that fails ends with an error part, which hides the reason', async t => {
  const { url, messagesOf, isClosed } = await startStandIn(t)
  const error = new Error('the password is 1234')

  const result = await pipe(
    numbers(3, () => Promise.reject(error)),
    { url, ...FAST },
  )

  t.strictSame(result, { stream: 'a', outcome: 'failed', stored: 4, error })
  t.strictSame(messagesOf('a').slice(0, 3), [0, 1, 2])
  t.match(messagesOf('a')[3], { type: 'error', errorText: 'The answer could not be completed.' })
  t.ok(isClosed('a'))
})

t.test('a value that is no JSON fails the source; so does a function that does not start it', async t => {
  const { url, messagesOf } = await startStandIn(t)

  const values = await pipe(
    numbers(1, async () => undefined, 2),
    { url, ...FAST },
  )
  const start = () => Promise.reject(new Error('no model'))
  const none = await pipe(start, { url, ...FAST, stream: 'b', errorPart: error => String(error) })

  t.match(values, { outcome: 'failed', error: /not JSON/ })
  t.match(none, { outcome: 'failed', stored: 1 })
  t.strictSame(messagesOf('b'), ['Error: no model'])
})

t.test('items that the server does not take end the stream with an error part', async t => {
  const { url, messagesOf, isClosed } = await startStandIn(t, ({ body }) =>
    body.includes('xxxx') ? 'too-large' : 'none',
  )
  async function* source() {
    yield 1
    yield 'xxxx'
    yield 2
  }

  const result = await pipe(source(), { url, ...FAST, maxBatchSize: 1 })

  t.match(result, { outcome: 'failed', stored: 2, error: { status: 413 } })
  t.match(messagesOf('a'), [1, { type: 'error' }])
  t.ok(isClosed('a'))
})

t.test('a cancel does not wait for the source, ends it, and closes with an abort part', async t => {
  const { url, messagesOf, isClosed } = await startStandIn(t)
  const cancel = new AbortController()
  const started: SourceStart[] = []
  let isReturned = false
  const source: Source = start => {
    started.push(start)
    let given = 0
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => (given++ < 2 ? Promise.resolve({ value: given, done: false }) : new Promise(() => {})),
        async return() {
          isReturned = true
          return { value: undefined, done: true }
        },
      }),
    }
  }

  const piping = pipe(source, { url, ...FAST, signal: cancel.signal })
  await until('two items are stored', () => messagesOf('a').length === 2)
  cancel.abort()
  const result = await within(PATIENCE_MS, piping, () => 'the source is waited for')

  t.match(result, { outcome: 'cancelled', stored: 3 })
  t.strictSame(messagesOf('a'), [1, 2, { type: 'abort' }])
  t.ok(isClosed('a'))
  t.ok(isReturned)
  t.ok(started[0]?.signal.aborted)
})

t.test('a process that leaves stores what it has; the next one continues after it', async t => {
  const { url, messagesOf, isClosed } = await startStandIn(t)
  const answers = createAnswers({ url, ...FAST })
  const { done } = await answers.start(numbers(5, forever), { stream: 'a' })
  await until('the items are stored', () => messagesOf('a').length === 5)
  const left = await answers.leave()
  t.match(left, [{ outcome: 'left', stored: 5 }])
  t.strictSame(await done, left[0])
  t.notOk(isClosed('a'))

  const result = await pipe(rest(8), { url, ...FAST, resume: true })
  const again = await pipe(rest(8), { url, ...FAST, resume: true })

  t.match(result, { outcome: 'finished', stored: 8 })
  t.strictSame(messagesOf('a'), [0, 1, 2, 3, 4, 5, 6, 7])
  t.match(again, { outcome: 'complete', stored: 8 }, 'what is finished is not started again')
})

t.test('without resume, nothing is written to a stream that has items or is closed', async t => {
  const { url, messagesOf } = await startStandIn(t)
  await pipe(numbers(2), { url, ...FAST })
  await pipe(numbers(2, forever), { url, ...FAST, stream: 'b', leave: AbortSignal.abort() })
  const first = createAnswers({ url, ...FAST })
  await first.start(numbers(2, forever), { stream: 'c' })
  await until('the items are stored', () => messagesOf('c').length === 2)

  const outcomes = await Promise.allSettled(
    ['a', 'c'].map(stream => pipe(numbers(2), { url, ...FAST, stream })),
  )
  await first.leave()

  t.match(outcomes, [{ reason: { code: 'stream-occupied' } }, { reason: { code: 'stream-occupied' } }])
  t.strictSame(messagesOf('a'), [0, 1])
  t.strictSame(messagesOf('c'), [0, 1])
})

t.test('a later producer takes the stream over from one that still writes: nothing twice', async t => {
  let hold: Promise<void> | undefined
  let release = () => {}
  let held = 0
  const { url, messagesOf } = await startStandIn(t, async ({ method }): Promise<'none'> => {
    if (method === 'POST' && hold) held++
    if (method === 'POST') await hold
    return 'none'
  })
  let giveNext = () => {}
  async function* slow({ stored, signal }: SourceStart) {
    for (let n = stored.length; n < 100; n++) {
      yield n
      await new Promise<void>(resolve => {
        giveNext = resolve
        signal.addEventListener('abort', () => resolve())
      })
    }
  }
  const first = pipe(slow, { url, ...FAST, resume: true })
  await until('the first item is stored', () => messagesOf('a').length === 1)

  // The first one writes its second item after the second one has read, and before that one writes.
  hold = new Promise(resolve => (release = resolve))
  giveNext()
  await until('the first one writes', () => held === 1)
  const second = pipe(rest(100), { url, ...FAST, resume: true })
  await until('the second one has read, and writes', () => held === 2)
  release()
  hold = undefined
  const finished = await within(PATIENCE_MS, second, () => JSON.stringify(messagesOf('a')))
  giveNext()
  const results = [await within(PATIENCE_MS, first, () => 'the first one goes on'), finished]

  t.match(results, [{ outcome: /taken-over|closed/ }, { outcome: 'finished', stored: 100 }])
  t.strictSame(
    messagesOf('a'),
    Array.from({ length: 100 }, (_, n) => n),
  )
})

/** 0 to `count` - 1, and then what `last` resolves with, or its failure. */
async function* numbers(count: number, last?: () => Promise<unknown>, more = 0): AsyncGenerator<unknown> {
  for (let n = 0; n < count; n++) yield n
  if (last) yield await last()
  for (let n = 0; n < more; n++) yield n
}

function rest(end: number) {
  return async function* ({ stored }: SourceStart) {
    for (let n = stored.length; n < end; n++) yield n
  }
}

async function forever(): Promise<void> {
  await new Promise(() => {})
}
