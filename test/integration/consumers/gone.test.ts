import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ConsumerPages } from '../../../src/consumers/consumer-pages.js'
import { readConsumer } from '../../../src/consumers/consumer-rows.js'
import { ConsumerSignals } from '../../../src/consumers/consumer-signals.js'
import { Holds } from '../../../src/consumers/holds.js'
import { cursorId } from '../../../src/hub/cursor.js'
import { Hub } from '../../../src/hub/hub.js'
import { Tailer } from '../../../src/hub/tailer.js'
import { sse } from '../../../src/sse/encoding.js'
import { openStream } from '../../harness/event-stream.js'
import { silent } from '../../harness/hub.js'
import { serveSinks } from '../../harness/sinks.js'
import { holdTurns } from '../../harness/turns.js'
import { until } from '../../harness/until.js'
import { NODE, startStore } from './rows.js'

t.test('a client that has gone while its stream was looked up takes no consumer from its holder', async t => {
  const { pool: database, create, claim } = await startStore(t, 1)
  const tailer = new Tailer({ database, bus: { status: 'off' }, logger: silent })
  const hub = new Hub({ database, tailer, logger: silent })
  const { id } = await create()
  const held = await claim(id)
  const consumer = await readConsumer(database, id)
  if (!held || !consumer) throw new Error('The consumer was not claimed.')
  const client = new AbortController()
  const reason = new Error('It has gone.')
  const pages = new ConsumerPages(
    {
      ...{ starts: hub.starts, tally: hub.tally },
      async open(workspace, stream, reader) {
        const handle = await hub.open(workspace, stream, reader)
        client.abort(reason)
        return handle
      },
    },
    database,
  )

  const request = {
    ...{ consumer, epoch: undefined, filter: undefined, limit: 1, waitMs: 0 },
    ...{ holder: 'eve', takeover: true, signal: client.signal, gone: client.signal },
  }
  await t.rejects(pages.read(request), reason)

  t.equal((await readConsumer(database, id))?.epoch, held.epoch)
})

t.test(
  'a client that has gone while its claim waited for its turn takes no consumer from its holder',
  async t => {
    const { pool: database, create, claim } = await startStore(t)
    const holds = new Holds({ database, node: NODE, logger: silent, signals: new ConsumerSignals() })
    const consumer = await create()
    const held = await claim(consumer.id)
    const client = new AbortController()
    const { free, works } = holdTurns(database)

    const claiming = holds.claim(consumer, 'eve', true, client.signal).catch(why => why)
    client.abort('gone')
    free()
    await works

    t.equal(await claiming, 'gone')
    t.equal((await readConsumer(database, consumer.id))?.epoch, held?.epoch)
    await holds.close()
  },
)

t.test('a holder that loses its consumer before its stream is open gets the reason', async t => {
  const { holds, consumer, window, open } = await startOpening(t)

  const later = await holds.claim(consumer, 'bob', true)
  const client = await open()

  t.match(await client.until(1, 'unavailable'), [{ data: '{"reason":"taken-over"}' }])
  t.ok(await client.ended())
  t.match([window.isLost, later?.isLost], [true, false])
  later?.abandon()
  await holds.close()
})

t.test('an acknowledgement before the stream is open leaves the window its room', async t => {
  const { hub, holds, signals, consumer, window, at, open } = await startOpening(t)

  // The client has the event from its former stream, and acknowledges it without an epoch.
  signals.send(consumer.id, { kind: 'acknowledged', epoch: window.claim.epoch, cursor: at(1) })
  const client = await open()

  const acknowledged = cursorId(at(1))
  t.match(await client.until(2), [
    { event: 'server.state', id: acknowledged },
    { event: 'thing.made', data: '{"n":2}', id: cursorId(at(2)) },
  ])
  t.match([window.inFlight, window.cursor], [1, at(1)])
  client.close()
  await until('it is given up', () => hub.subscriptions.size === 0)
  await holds.close()
})

/** A client that has claimed a consumer of two events, and whose stream is looked up. `open` opens the stream. */
async function startOpening(t: Test) {
  const { pool: database, create, at } = await startStore(t, 2)
  const tailer = new Tailer({ database, bus: { status: 'off' }, logger: silent })
  const hub = new Hub({ database, tailer, logger: silent })
  const signals = new ConsumerSignals()
  const holds = new Holds({ database, node: NODE, logger: silent, signals })
  const { server, next } = await serveSinks(t)
  const consumer = await create({ maxInFlight: 1 })
  const window = await holds.claim(consumer, 'ada', false)
  const handle = await hub.open('acme', 'feed')
  if (!handle || !window) throw new Error('The consumer was not claimed.')
  const start = await hub.starts.resolve(handle.stream, window.start)
  const open = async () => {
    const { port } = server.address() as AddressInfo
    const client = await openStream(t, `http://127.0.0.1:${port}/`)
    hub.subscribe({ handle, start, sink: await next(), encoding: sse, filter: undefined, window })
    return client
  }
  return { hub, holds, signals, consumer, window, at, open }
}
