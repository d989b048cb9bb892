import t from 'tap'
import { FairScheduler } from '../../../../src/hub/scheduling/fair-scheduler.js'
import { countTurns, spin } from '../../../harness/event-loop.js'

/** Longer than a slice. */
const LONG_MS = 7

t.test('short work is done at once', async t => {
  const scheduler = new FairScheduler()
  const done: number[] = []

  const promise = scheduler.run(steps(3, n => done.push(n)))

  t.equal(promise, undefined)
  t.strictSame(done, [0, 1, 2])
})

t.test('long work goes on in later turns, and other work runs in between', async t => {
  const scheduler = new FairScheduler()
  const loop = countTurns(t)
  const seen: number[] = []

  await scheduler.run(
    steps(5, () => {
      spin(LONG_MS)
      seen.push(loop.turns)
    }),
  )

  t.equal(new Set(seen).size, 5, `no two steps in one turn: ${seen}`)
})

t.test(
  'waiting callers get a turn in the order in which they came, and no more of them than fit into one',
  async t => {
    const scheduler = new FairScheduler()
    const loop = countTurns(t)
    const order: number[] = []
    const seen: number[] = []

    await Promise.all(
      Array.from({ length: 6 }, async (_, n) => {
        await scheduler.next()
        spin(LONG_MS)
        order.push(n)
        seen.push(loop.turns)
      }),
    )

    t.strictSame(order, [0, 1, 2, 3, 4, 5])
    t.equal(new Set(seen).size, 6, `each in a turn of its own: ${seen}`)
  },
)

t.test('callers with little to do share a turn, and each gets one a turn', async t => {
  const scheduler = new FairScheduler()
  const order: string[] = []
  const go = async (name: string) => {
    await scheduler.next()
    order.push(name)
    await scheduler.next()
    order.push(`${name} again`)
  }

  await Promise.all([go('a'), go('b'), go('c')])

  t.strictSame(order, ['a', 'b', 'c', 'a again', 'b again', 'c again'])
})

t.test('a caller that arrives while others are served waits behind them', async t => {
  const scheduler = new FairScheduler()
  const order: string[] = []
  const late = async () => {
    await scheduler.next()
    order.push('late')
  }
  let promise: Promise<void> | undefined

  await Promise.all(
    ['a', 'b', 'c'].map(async name => {
      await scheduler.next()
      spin(LONG_MS)
      order.push(name)
      promise ??= late()
    }),
  )
  await promise

  t.strictSame(order, ['a', 'b', 'c', 'late'])
})

t.test('work that fails fails for its own caller alone', async t => {
  const scheduler = new FairScheduler()
  const broken = () => {
    throw new Error('broken')
  }
  const done: number[] = []

  t.throws(() => scheduler.run(steps(1, broken)), /broken/)
  const failing = scheduler.run(steps(2, n => (n === 0 ? spin(LONG_MS) : broken())))
  const other = scheduler.run(
    steps(2, n => {
      spin(LONG_MS)
      done.push(n)
    }),
  )

  await t.rejects(failing ?? Promise.resolve(), /broken/)
  await other
  t.strictSame(done, [0, 1])
})

function* steps(count: number, step: (n: number) => unknown): Generator<void> {
  for (let n = 0; n < count; n += 1) {
    step(n)
    yield
  }
}
