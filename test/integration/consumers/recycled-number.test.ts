/** A restore loses a stream and gives its number to one of another workspace, while a holder of a consumer has it in memory. */
import t from 'tap'
import { readConsumer } from '../../../src/consumers/consumer-rows.js'
import { resetCursor } from '../../../src/consumers/cursor-rows.js'
import { append } from '../../../src/log/append.js'
import { ensureStream } from '../../../src/log/log.js'
import { startStore } from './rows.js'

t.test('a cursor does not go to a stream of another name', async t => {
  const { pool, create, claim, at, streamId } = await startStore(t, 2)
  const consumer = await create()
  const claimed = await claim(consumer.id)
  if (!claimed) throw new Error('The consumer is held.')
  const others = [await ensureStream(pool, 'globex', 'feed'), await ensureStream(pool, 'acme', 'other')]
  const secret = await append(pool, 'globex', 'feed', 'thing.made', '{}', 'eve')

  for (const other of others) t.equal(await resetCursor(pool, claimed, other, secret), undefined)
  t.match(await readConsumer(pool, consumer.id), { streamId, reset: null })

  const reset = await resetCursor(pool, claimed, streamId, at(2))
  t.match(reset?.consumer, { reset: { stream: streamId, to: at(2) } })
})
