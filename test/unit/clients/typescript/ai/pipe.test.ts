/** clients/typescript/src/ai/pipe.ts against a server whose faults are chosen: each item is stored once, in order. */
import t from 'tap'
import { pipe } from '../../../../../clients/typescript/src/ai/pipe.js'
import { within } from '../../../../harness/patience.js'
import { type Fault, startStandIn } from '../../../../harness/stand-in-durable-streams.js'
import { until } from '../../../../harness/until.js'

const PATIENCE_MS = 20_000
const FAST = { retry: 5, max: 20, cancellable: false }
const numbers = Array.from({ length: 50 }, (_, n) => n)

t.test('a source is stored in order, and the last batch closes the stream', async t => {
  const server = await startStandIn(t)

  const result = await pipe(from(numbers), { url: server.url, stream: 'chat/7', ...FAST })

  t.strictSame(result, { stream: 'chat/7', outcome: 'finished', stored: 50 })
  t.strictSame(server.messagesOf('chat/7'), numbers)
  t.ok(server.isClosed('chat/7'))
  t.equal(server.requests.length, 2, 'a source that is there at once is one batch')
})

t.test('answers that are lost, connections that break and 503 store nothing twice', async t => {
  const faults = ['lost', 'refused', 'unavailable'] as const
  const server = await startStandIn(t, (_, count) => faults[count % 4] ?? 'none')

  const result = await pipe(from(numbers), { url: server.url, stream: 'a', maxBatchSize: 1, ...FAST })

  t.match(result, { outcome: 'finished', stored: 50 })
  t.strictSame(server.messagesOf('a'), numbers)
})

t.test('a slow server slows the source down, and one request is under way at a time', async t => {
  let open = 0
  let most = 0
  let release = () => {}
  const held = new Promise<void>(resolve => (release = resolve))
  const server = await startStandIn(t, async ({ method }): Promise<Fault> => {
    if (method !== 'POST') return 'none'
    most = Math.max(most, ++open)
    await held
    open--
    return 'none'
  })
  let given = 0
  async function* counted() {
    for (; given < 1_000; given++) yield 'x'.repeat(98)
  }

  const piping = pipe(counted(), { url: server.url, stream: 'a', maxBatchSize: 1_000, ...FAST })
  await until('the first batch is on its way', () => open === 1)
  await until('the next one is full', () => given >= 19)
  t.ok(given <= 22, `${given} items`)
  release()

  t.match(await within(PATIENCE_MS, piping, () => `gave ${given}`), { outcome: 'finished', stored: 1_000 })
  t.equal(most, 1)
})

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
