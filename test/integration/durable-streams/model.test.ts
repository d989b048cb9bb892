/**
 * Random requests against the real functions: a batch that shares one transaction has the outcomes that a sequence of them has, and
 * producers that repeat their requests to several processes store each message once, in their order.
 */
import t from 'tap'
import type { DurableAppend } from '../../../src/durable-streams/durable-stream.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'
import { ModelStream } from './model-stream.js'
import { ADA, dataOf, openStore, storeOn, text } from './store.js'

const RUNS = byNight(12, 400)
const first = seedOfRun(1)
const STEPS = 60
const TYPE = 'text/plain'

t.test(`a group of requests has the outcomes of a sequence (SLUICE_SEED=${first})`, async t => {
  const { streams, pool } = await openStore(t)
  for (let seed = first; seed < first + RUNS; seed += 1) {
    const random = randomFrom(seed)
    const names = [`a${seed}`, `b${seed}`] as const
    const models = new Map<string, ModelStream>(names.map(name => [name, new ModelStream(TYPE)]))
    for (const name of models.keys()) await streams.create(ADA, name, { contentType: TYPE })

    for (let step = 0; step < STEPS; ) {
      const size = 1 + random.integer(12)
      const batch = Array.from({ length: size }, (_, n) => requestOf(random, `${step + n}`))
      step += size
      const asked = batch.map(request => ({ name: random.pick(names), request }))
      const outcomes = await Promise.all(asked.map(({ name, request }) => streams.append(ADA, name, request)))
      const expected = asked.map(({ name, request }) => models.get(name)?.append(request))
      t.strictSame(
        outcomes.map(({ outcome }) => outcome),
        expected,
        `seed ${seed}, step ${step}: ${JSON.stringify(asked)}`,
      )
    }

    for (const [name, model] of models) {
      t.strictSame(
        await dataOf(pool, name),
        model.messages.map(message => JSON.stringify({ text: message })),
      )
      const found = await streams.find(ADA, name, { touch: false })
      t.equal(typeof found === 'object' && found.closed, model.closed)
      t.equal(typeof found === 'object' && found.head.position, model.messages.length)
    }
  }
})

t.test(
  'producers that repeat their requests on several processes store each message once, in order',
  async t => {
    const first = await openStore(t)
    const processes = [first.streams, storeOn(t, first.pool).streams, storeOn(t, first.pool).streams]
    await first.streams.create(ADA, 's', { contentType: TYPE })
    const producers = ['p', 'q', 'r', 's', 't']

    await Promise.all(
      producers.map(async id => {
        for (let seq = 0; seq < 30; seq += 1) {
          const request = { body: text(`${id}${seq}`), producer: { id, epoch: 0, seq } }
          const outcomes = await Promise.all(processes.map(streams => streams.append(ADA, 's', request)))
          t.strictSame(outcomes.map(({ outcome }) => outcome).sort(), ['duplicate', 'duplicate', 'stored'])
        }
      }),
    )

    const data = await dataOf(first.pool, 's')
    for (const id of producers) {
      const own = data.filter(each => each.startsWith(`{"text":"${id}`))
      t.strictSame(
        own,
        Array.from({ length: 30 }, (_, seq) => `{"text":"${id}${seq}"}`),
      )
    }
    const { rows } = await first.pool.query(
      'select count(distinct "position")::int as places, max("position") as last from sluice.events',
    )
    t.strictSame(rows, [{ places: 150, last: 150 }])
  },
)

function requestOf(random: Random, content: string): DurableAppend {
  const close = random.integer(100) < 3
  const withBody = !close || random.integer(100) < 50
  return {
    body: withBody ? text(content, random.integer(100) < 5 ? 'text/html' : TYPE) : undefined,
    close,
    seq: random.integer(100) < 20 ? random.pick(['1', '2', '10', 'a', 'B', 'é', '~']) : undefined,
    producer:
      random.integer(100) < 70
        ? {
            id: random.pick(['p', 'q']),
            epoch: random.pick([0, 0, 0, 1, 2]),
            seq: random.pick([0, 0, 1, 1, 2, 3]),
          }
        : undefined,
  }
}
