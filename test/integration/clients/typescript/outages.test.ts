/** clients/typescript when a part of the way to the events fails: the database, the network, the events themselves. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createClient, type Notice } from '../../../../clients/typescript/src/client.js'
import { createDatabase } from '../../../harness/database.js'
import { startGateway } from '../../../harness/gateway.js'
import { within } from '../../../harness/patience.js'
import { startProxy } from '../../../harness/postgres-proxy.js'
import { token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const PATIENCE_MS = 30_000
const credentials = token({ role: 'editor' })
const FAST = { retry: 20, max: 200, attempts: 1_000 }

t.test('the database is away: the feed stays, and a publish is stored when it is back', async t => {
  const proxy = await startProxy(t, (await createDatabase(t)).url)
  const { url } = await startGateway(t, { databaseUrl: proxy.url })
  const client = createClient({ url, credentials, ...FAST })
  const modes: string[] = []
  const received: unknown[] = []
  const feed = client.feed({ onNotice: ({ type, data }) => type === 'server.state' && modes.push(data.mode) })
  const following = feed.each(({ data }) => received.push(data)).catch(error => error)
  await until('the feed is open', () => modes.includes('normal'))
  await client.publish({ type: 'door.opened', data: { door: 1 } })

  await proxy.unplug()
  await until('the feed says that the database is away', () => modes.includes('degraded'), PATIENCE_MS)
  const publishing = Promise.allSettled([client.publish({ type: 'door.opened', data: { door: 2 } })])
  const [refusal] = await Promise.allSettled([
    createClient({ url, credentials, ...FAST, attempts: 1 }).publish({
      type: 'door.opened',
      data: { door: 3 },
    }),
  ])
  await proxy.plugIn()
  const [publication] = await within(PATIENCE_MS, publishing, () => 'the publish has no outcome')
  t.match(publication, { status: 'fulfilled', value: [{ position: 2 }] })
  const isOver = () => received.length >= 2 || feed.state.name === 'closed'
  await until('both events have arrived, or the feed has ended', isOver, PATIENCE_MS)
  feed.close()

  t.equal(await following, undefined, 'the feed goes on')
  t.match(refusal, { reason: { code: 'gave-up', cause: { code: 'database-unavailable', status: 503 } } })
  t.strictSame(received, [{ door: 1 }, { door: 2 }])
})

t.test('a connection that is silent for 6 s is given up, and the events of that time arrive', async t => {
  const gateway = await startGateway(t, { env: { HEARTBEAT_MS: '500' } })
  const relay = await startRelay(t, Number(new URL(gateway.url).port))
  const direct = createClient({ url: gateway.url, credentials })
  const reasons: string[] = []
  const received: unknown[] = []
  const feed = createClient({ url: relay.url, credentials }).feed({
    from: 'beginning',
    types: ['number.drawn'],
    silence: 6_000,
    retry: 20,
    onState: state => state.name === 'waiting' && reasons.push(state.reason),
  })
  const following = feed.each(({ data }) => received.push(data.n))
  await direct.publish({ type: 'number.drawn', data: { n: 1 } })
  await until('the first event has arrived', () => received.length === 1)

  relay.silence()
  await direct.publish({ type: 'number.drawn', data: { n: 2 } })
  await until('the second event has arrived', () => received.length === 2, PATIENCE_MS)
  feed.close()
  await following

  t.strictSame(received, [1, 2])
  t.strictSame(reasons, ['Error: No byte for 6000 ms.'])
})

t.test(
  'events that retention has removed: the application loads the state, and goes on exactly there',
  async t => {
    const gateway = await startGateway(t)
    const { database } = gateway.app
    const client = createClient({ url: gateway.url, credentials })
    const [first] = await client.publish([1, 2, 3].map(n => ({ type: 'number.drawn', data: { n } })))
    await database.query(`update sluice.events set at = at - interval '60 days' where "position" <= 2`)
    await database.query(`update sluice.streams set oldest_at = '-infinity'`)
    await database.query(`select sluice.retain('feed', interval '30 days', 1000)`)
    const resets: Notice<'reset'>[] = []
    const saved: string[] = []
    const received: unknown[] = []
    let loaded: readonly string[] = []
    const feed = client.feed({
      cursor: { load: async () => first?.id, save: async id => void saved.push(id) },
      async reload(notice) {
        resets.push(notice)
        // Between the reset and the load, things change.
        await client.items.create({ part_number: 'A01-0002', description: 'Bracket', item_type: 'part' })
        const { entries, head } = await client.items.list().all()
        loaded = entries.map(item => item.part_number)
        await client.items.update('A01-0002', { description: 'Bracket, left' })
        return head
      },
    })
    for await (const event of feed) {
      received.push([event.type, event.data])
      if (event.type === 'item.updated') break
    }

    t.match(resets, [{ data: { reason: 'retention', earliest: /^2\./, head: /^3\./ } }])
    t.strictSame(loaded, ['A01-0002'])
    t.strictSame(received, [['item.updated', { part_number: 'A01-0002', revision: 1 }]])
    t.match(saved, [/^4\./])
  },
)

interface Relay {
  readonly url: string
  /** From now on, no byte of the connections of now comes through; later connections work. */
  silence(): void
}

async function startRelay(t: Test, port: number): Promise<Relay> {
  const open = new Set<Socket>()
  const server = createServer(inward => {
    const outward = connect(port, '127.0.0.1')
    for (const socket of [inward, outward]) {
      open.add(socket)
      socket.on('error', () => {}).on('close', () => open.delete(socket))
    }
    inward.pipe(outward).pipe(inward)
  })
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    silence() {
      for (const socket of open) socket.unpipe().resume()
    },
  }
}
