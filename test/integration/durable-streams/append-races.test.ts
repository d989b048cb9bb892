/** An append that waits while its stream is deleted and made again. */
import t from 'tap'
import { appendDurable } from '../../../src/durable-streams/append-durable.js'
import { backendOf, connect, untilBlocked } from '../../harness/records.js'
import { ADA, openStore } from './store.js'

t.test('an append stores nothing in a stream that it has not locked', async t => {
  const { streams, pool } = await openStore(t)
  await streams.create(ADA, 's', { contentType: 'text/plain' })
  const [owner, waiting] = [await connect(t, pool), await connect(t, pool)]

  await owner.query('begin')
  await owner.query(`select sluice.remove_durable('w', 's')`)
  await owner.query(
    `select sluice.create_durable('w', 's', 'text/plain', null, null, null, false, null, null, null, null, null, '{}', 'ada', null)`,
  )
  const pid = await backendOf(waiting)
  await waiting.query('begin')
  const request = {
    workspace: 'w',
    stream: 's',
    actor: 'ada',
    mediaType: 'text/plain',
    chunks: ['{"text":"x"}'],
  }
  const appending = appendDurable(waiting, [
    { ...request, close: false, seq: undefined, producer: undefined, traceparent: undefined },
  ])
  await untilBlocked(pool, pid)
  await owner.query('commit')
  const [appended] = await appending
  // Would wait for an append that holds the lock.
  const closed = await streams.append(ADA, 's', { close: true })
  await waiting.query('commit')

  t.match(closed, { outcome: 'stored', tail: 0 })
  t.match(appended, { outcome: { outcome: 'not-found' }, events: [] })
  const found = await streams.find(ADA, 's', { touch: false })
  t.match(found, { closed: true, head: { position: 0 } })
})
