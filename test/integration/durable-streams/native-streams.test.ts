/** What the protocol keeps of a stream that it has not made: nothing less than of its own. */
import t from 'tap'
import { ADA, openStore, text } from './store.js'

t.test('a stream that was published to has producers, a sequence and a closing request too', async t => {
  const { streams, pool } = await openStore(t)
  await pool.query(`select sluice.append('w', 'native', 'order.created', '{}')`)
  const body = text('1', 'application/json')
  const append = async (more: object) => (await streams.append(ADA, 'native', { body, ...more })).outcome

  t.equal(await append({ seq: 'b' }), 'stored')
  t.equal(await append({ seq: 'a' }), 'seq-not-greater')
  const producer = { id: 'p', epoch: 0, seq: 0 }
  t.equal(await append({ producer }), 'stored')
  t.equal(await append({ producer }), 'duplicate')
  const last = { producer: { ...producer, seq: 1 }, close: true }
  t.equal(await append(last), 'stored')
  t.equal(await append(last), 'duplicate')
})
