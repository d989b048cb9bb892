import t from 'tap'
import { ConsumerPages } from '../../../src/consumers/consumer-pages.js'
import { readConsumer } from '../../../src/consumers/consumer-rows.js'
import { Hub } from '../../../src/hub/hub.js'
import { Tailer } from '../../../src/hub/tailer.js'
import { silent } from '../../harness/hub.js'
import { startStore } from './rows.js'

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
