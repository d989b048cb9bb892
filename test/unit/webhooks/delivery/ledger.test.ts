import { getEventListeners } from 'node:events'
import t from 'tap'
import type { ConsumerId, Epoch } from '../../../../src/consumers/consumer.js'
import type { Position } from '../../../../src/log/event.js'
import type { DeliveryBatch, EndpointChange } from '../../../../src/webhooks/delivery/delivery-rows.js'
import { Ledger } from '../../../../src/webhooks/delivery/ledger.js'
import type { AttemptRecord } from '../../../../src/webhooks/delivery-records.js'
import { silent } from '../../../harness/hub.js'
import { until } from '../../../harness/until.js'

t.test(
  'everything that is noted during a write is one write, with the last cursor of each endpoint',
  async t => {
    const { ledger, batches, answers } = start()
    ledger.note(change('a', { cursor: at(1) }), [attempt('a', 1)])
    await until('the first write', () => answers.length === 1)
    for (let n = 2; n <= 5; n += 1) {
      ledger.note(change('a', { cursor: at(n) }), [attempt('a', n)])
      ledger.note(change('b', { cursor: at(n) }), [attempt('b', n)])
    }
    answers.shift()?.([])
    await until('the second write', () => answers.length === 1)
    answers.shift()?.([])
    t.ok(await ledger.flush(1_000))

    t.equal(batches.length, 2)
    t.equal(batches[1]?.attempts.length, 8)
    t.match(batches[1]?.changes, [
      { id: 'a', cursor: { position: 5 } },
      { id: 'b', cursor: { position: 5 } },
    ])
  },
)

t.test('what waits and is then settled is settled, and the other way round', async t => {
  const { ledger, batches, answers } = start()
  const waiting = (position: number) => ({ waiting: [{ ...at(position), lane: 'live' as const }] as never })
  const settled = (position: number) => ({ settled: [{ lane: 'live' as const, position }] })
  ledger.note(change('a', waiting(1)), [])
  ledger.note(change('a', settled(1)), [])
  ledger.note(change('a', settled(2)), [])
  ledger.note(change('a', waiting(2)), [])
  ledger.note(change('a', { cursor: at(3) }), [])
  ledger.note(change('a', { reset: { stream: 1 as never, to: at(9) } }), [])
  await until('the write', () => answers.length === 1)
  answers.shift()?.([])

  t.match(batches[0]?.changes, [
    {
      settled: [{ position: 1 }],
      waiting: [{ position: 2 }],
      cursor: undefined,
      reset: { to: { position: 9 } },
    },
  ])
})

t.test('a flush leaves no timer and no listener behind, and many may wait', async t => {
  const signals: AbortSignal[] = []
  class KeptController extends AbortController {
    constructor() {
      super()
      signals.push(this.signal)
    }
  }
  t.intercept(globalThis, 'AbortController', { value: KeptController })
  const warnings: string[] = []
  const warned = ({ name }: Error) => warnings.push(name)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  const { ledger, answers } = start()
  const listeners = () => signals.flatMap(signal => getEventListeners(signal, 'abort')).length

  t.ok(await ledger.flush(60_000), 'nothing is noted')
  t.equal(listeners(), 0)
  ledger.note(change('a', { cursor: at(1) }), [])
  const waiting = Array.from({ length: 20 }, () => ledger.flush(60_000))
  await until('the write', () => answers.length === 1)
  answers.shift()?.([])

  t.strictSame(new Set(await Promise.all(waiting)), new Set([true]))
  t.equal(getEventListeners(signals[0] as AbortSignal, 'abort').length, 0)
  t.strictSame(warnings, [])
})

t.test('a write that the database cannot take now is repeated, and nothing is lost', async t => {
  const { ledger, batches, answers } = start()
  ledger.note(change('a', { cursor: at(1) }), [attempt('a', 1)])
  await until('the write', () => answers.length === 1)
  answers.shift()?.(Object.assign(new Error('away'), { code: '57P01' }))
  await until('the same write', () => answers.length === 1)
  answers.shift()?.([])
  t.ok(await ledger.flush(1_000))

  t.strictSame(batches[0], batches[1])
})

t.test('an endpoint that cannot be stored is given up, and the others are stored', async t => {
  const refused: string[] = []
  const { ledger, batches, answers } = start(ids => refused.push(...ids))
  ledger.note(change('a', {}), [attempt('a', 1)])
  ledger.note(change('b', {}), [attempt('b', 1)])
  await until('the write', () => answers.length === 1)
  answers.shift()?.(new Error('a fault of ours'))
  await until('the write of a', () => answers.length === 1)
  answers.shift()?.(new Error('a fault of ours'))
  await until('the write of b', () => answers.length === 1)
  answers.shift()?.([])
  t.ok(await ledger.flush(1_000))

  t.strictSame(refused, ['a'])
  t.match(batches[2], { attempts: [{ webhook: 'b' }], changes: [{ id: 'b' }] })
})

t.test('while much waits to be stored it is full, and there is room again afterwards', async t => {
  let room = 0
  const { ledger, answers } = start(
    () => {},
    () => {
      room += 1
    },
  )
  for (let n = 0; n < 4_096; n += 1) ledger.note(change('a', {}), [attempt('a', n)])
  t.ok(ledger.full)
  await until('the write', () => answers.length === 1)
  answers.shift()?.([])
  t.ok(await ledger.flush(1_000))

  t.notOk(ledger.full)
  t.equal(room, 1)
})

function start(onRefused: (ids: readonly string[]) => void = () => {}, onRoom = () => {}) {
  const batches: DeliveryBatch[] = []
  const answers: ((answer: ConsumerId[] | Error) => void)[] = []
  const ledger = new Ledger({
    logger: silent,
    onRefused,
    onRoom,
    record: batch => {
      batches.push(batch)
      return new Promise((resolve, reject) => {
        answers.push(answer => (answer instanceof Error ? reject(answer) : resolve(answer)))
      })
    },
  })
  return { ledger, batches, answers }
}

function change(id: string, given: Partial<EndpointChange>): EndpointChange {
  const empty = { waiting: [], settled: [], dead: [] }
  return { id: id as ConsumerId, epoch: 1 as Epoch, workspace: 'acme', ...empty, ...given }
}

function at(position: number) {
  return { position: position as Position, eventId: `event ${position}` }
}

function attempt(webhook: string, position: number): AttemptRecord {
  return {
    webhook: webhook as ConsumerId,
    lane: 'live',
    position,
    eventId: `event ${position}`,
    type: 'thing.made',
    attempt: 1,
    at: new Date(0),
    outcome: 'delivered',
    status: 204,
    milliseconds: 1,
    error: undefined,
    answer: undefined,
    nextTryAt: undefined,
  }
}

t.test('what is noted while a write ends is written, at whichever moment that is', async t => {
  const left: number[] = []
  for (let turns = 0; turns < 20; turns += 1) {
    const { ledger, batches, answers } = start()
    ledger.note(change('a', { cursor: at(1) }), [])
    await until('the first write', () => answers.length === 1)
    answers.shift()?.([])
    for (let n = 0; n < turns; n += 1) await Promise.resolve()
    ledger.note(change('a', { cursor: at(2) }), [])
    await new Promise(setImmediate)
    if (batches.length < 2) left.push(turns)
  }
  t.strictSame(left, [])
})
