import t from 'tap'
import { type Batch, Uploader } from '../../../src/runner/uploader.js'
import { until } from '../../harness/until.js'

/** A gateway whose every answer is given by the test. */
function startUploader() {
  const batches: Batch[] = []
  const answers: { store(): void; refuse(error: Error): void }[] = []
  const refusals: unknown[] = []
  const uploader = new Uploader({
    send(batch) {
      batches.push(batch)
      return new Promise((store, refuse) => answers.push({ store, refuse }))
    },
    onRefused: error => refusals.push(error),
  })
  return {
    uploader,
    batches,
    refusals,
    /** Resolves when batch `n` is under way. */
    sent: (n: number) => until(`batch ${n}`, () => batches.length > n),
    answer: (n: number) => answers[n],
    linesOf: (n: number) =>
      JSON.parse(batches[n]?.body ?? '[]').map(({ data }: { data: { line: string } }) => data.line),
  }
}

function event(line: string | number) {
  return { type: 'output', data: { line: `${line}` } }
}

function events(from: number, to: number) {
  return Array.from({ length: to - from }, (_, n) => event(from + n))
}

t.test('lines that are written shortly after another are sent with it, in order', async t => {
  const gateway = startUploader()

  for (const line of ['a', 'b', 'c']) t.equal(gateway.uploader.write([event(line)]), undefined)
  await gateway.sent(0)

  t.strictSame(gateway.linesOf(0), ['a', 'b', 'c'])
})

t.test('one request at a time: the next batch gathers meanwhile', async t => {
  const gateway = startUploader()
  void gateway.uploader.write([event('a')])
  await gateway.sent(0)

  void gateway.uploader.write([event('b')])
  void gateway.uploader.write([event('c')])
  t.equal(gateway.batches.length, 1)
  gateway.answer(0)?.store()
  await gateway.sent(1)

  t.strictSame(gateway.linesOf(1), ['b', 'c'])
  t.not(gateway.batches[0]?.key, gateway.batches[1]?.key)
})

t.test('a batch has at most 500 events and 128 KiB', async t => {
  const many = startUploader()
  const large = startUploader()

  void many.uploader.write(events(0, 1_100))
  void large.uploader.write(Array.from({ length: 20 }, () => event('x'.repeat(16_384))))
  for (const [n, { answer, sent }] of [0, 1, 2].flatMap(n => [[n, many] as const, [n, large] as const])) {
    await sent(n)
    answer(n)?.store()
  }

  t.strictSame(
    many.batches.map((_, n) => many.linesOf(n).length),
    [500, 500, 100],
  )
  t.strictSame(many.batches.flatMap((_, n) => many.linesOf(n)).map(Number), [...Array(1_100).keys()])
  for (const { body } of large.batches) t.ok(body.length <= 128 * 1024)
  t.equal(large.linesOf(0).length, 7)
})

t.test('a writer waits while 1 MiB is held, and goes on when half of it is stored', async t => {
  const gateway = startUploader()
  const room = gateway.uploader.write(Array.from({ length: 70 }, () => event('x'.repeat(16_000))))
  let free = false
  void room?.then(() => {
    free = true
  })
  t.ok(room)

  let n = 0
  for (; !free; n += 1) {
    await gateway.sent(n)
    gateway.answer(n)?.store()
    await new Promise(setImmediate)
  }

  t.ok(n >= 4 && n <= 6, `after ${n} of ten batches`)
})

t.test('a flush does not wait for more, and resolves when all is stored', async t => {
  const gateway = startUploader()
  void gateway.uploader.write([event('a')])
  let flushed = false
  const flush = gateway.uploader.flush().then(() => {
    flushed = true
  })

  await gateway.sent(0)
  t.notOk(flushed)
  gateway.answer(0)?.store()
  await flush

  await gateway.uploader.flush()
  t.equal(gateway.batches.length, 1, 'and with nothing to do, at once')
})

t.test('after a refusal nothing is sent, nothing is held, and no writer waits', async t => {
  const gateway = startUploader()
  const room = gateway.uploader.write(Array.from({ length: 200 }, () => event('x'.repeat(16_000))))
  const flush = gateway.uploader.flush()
  await gateway.sent(0)

  gateway.answer(0)?.refuse(new Error('lease lost'))
  await Promise.all([room, flush])

  t.match(gateway.refusals, [{ message: 'lease lost' }])
  t.equal(gateway.uploader.write([event('more')]), undefined)
  await gateway.uploader.flush()
  t.equal(gateway.batches.length, 1)
})
