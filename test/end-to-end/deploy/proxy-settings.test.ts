/** What a client sees behind a proxy whose time-outs are too short, or that buffers. What doctor says of them: doctor-proxies.test.ts. */
import t, { type Test } from 'tap'
import { type EventStream, openStream, staysOpen } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { nginxConfiguration, withoutNginx } from '../../harness/nginx.js'
import { startOwnProxy, withoutProgram } from '../../harness/own-proxy.js'
import { caddy, haproxy, startProxy } from '../../harness/proxies.js'
import { connectRaw, get, type RawClient } from '../../harness/raw-client.js'
import { until } from '../../harness/until.js'

const portOf = ({ url }: Pick<Gateway, 'url'>) => Number(new URL(url).port)
const thing = (text: string) => ({ type: 'thing.made', data: { text } })

t.test(
  'nginx: heartbeats keep a silent stream open, and silence ends it',
  { skip: withoutNginx() },
  async t => {
    const beating = await startGateway(t, { env: { HEARTBEAT_MS: '500' } })
    const silent = await startGateway(t, { databaseUrl: beating.databaseUrl })
    const [kept, cut] = await Promise.all(
      [beating, silent].map(gateway => {
        const changes = [['proxy_read_timeout 3600s', 'proxy_read_timeout 2s']] as const
        const upstreams = [portOf(gateway)]
        return startOwnProxy(t, 'nginx', (port, folder) =>
          nginxConfiguration({ port, folder, upstreams, changes }),
        )
      }),
    )
    // The proxy cuts a stream in which nothing came for 2 s, also if the gateway stood still: then the client tries again.
    const follow = async (query: string, headers = {}): Promise<EventStream> => {
      const streams: EventStream[] = []
      await until('a stream has the event', async () => {
        const stream = await openStream(t, `${cut}/api/events${query}`, {
          headers: { ...as('viewer'), ...headers },
        })
        streams.unshift(stream)
        const arrived = stream.until(1, 'thing.made').then(() => true)
        return await Promise.race([arrived, stream.ended().then(() => false)])
      })
      return streams[0] as EventStream
    }
    const [first = ''] = await publish(silent, thing('a'))
    const ends = await follow('?from=beginning')

    t.equal(await ends.ended(), false, 'cut, not ended')
    const [missed] = await publish(silent, thing('b'))
    const resumed = await follow('', { 'last-event-id': first })

    t.equal((await resumed.until(1, 'thing.made'))[0]?.id, missed)
    await staysOpen(t, `${kept}/api/events`, 8, as('viewer'))
  },
)

t.test(
  'HAProxy that waits for a body: nothing arrives until its buffer is full',
  { skip: withoutProgram('haproxy') },
  async t => {
    const gateway = await startGateway(t)
    const waiting = 'http-response wait-for-body time 1h at-least 16000'
    const { port } = await startProxy(t, haproxy, {
      upstreams: [portOf(gateway), portOf(gateway)],
      changes: [['backend streams\n', `backend streams\n  ${waiting}\n`]],
    })

    const [client, ids] = await publishUnseen(t, gateway, port)
    ids.push(...(await publish(gateway, Array(10).fill(thing('x'.repeat(10_000))))))

    // What follows fills no buffer: the last events wait for the next ones.
    await client.untilBody(`id: ${ids[0]}`)
    t.strictSame(idsOf(client), ids.slice(0, idsOf(client).length), 'in order')
  },
)

t.test(
  'Caddy that buffers: nothing arrives until the response ends',
  { skip: withoutProgram('caddy') },
  async t => {
    const gateway = await startGateway(t)
    const { port } = await startProxy(t, caddy, {
      upstreams: [portOf(gateway), portOf(gateway)],
      changes: [['header_up -Forwarded', 'header_up -Forwarded\n\t\tbuffer_responses']],
    })

    const [client, ids] = await publishUnseen(t, gateway, port)
    await gateway.close()

    await client.untilBody('draining')
    t.strictSame(idsOf(client), ids)
  },
)

/** Publishes, and waits until a client without a proxy has the events. @returns the client behind the proxy, which has nothing. */
async function publishUnseen(t: Test, gateway: Gateway, port: number): Promise<[RawClient, string[]]> {
  const direct = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  const headers = `Accept: text/event-stream\nAuthorization: ${as('viewer').authorization}\n`
  const request = get('/api/events?from=beginning', '1.1', headers)
  const client = await connectRaw(t, port, request.replace('localhost', `127.0.0.1:${port}`))
  await until('both are clients', () => gateway.app.hub.clients().total === 2)
  const ids = await publish(gateway, [thing('a'), thing('b')])
  await direct.until(ids.length, 'thing.made')
  // Through a proxy that passes everything on they have reached the second client by now.
  ids.push(...(await publish(gateway, thing('c'))))
  await direct.until(ids.length, 'thing.made')
  t.equal(client.text(), '')
  return [client, ids]
}

function idsOf(client: RawClient): string[] {
  return [...client.body().matchAll(/^id: (\S+)\r?\nevent: thing.made/gm)].map(([, id = '']) => id)
}
