/** Durable Streams through nginx with deploy/nginx.conf. */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, BEHIND_PROXY, startGateway } from '../../harness/gateway.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { until } from '../../harness/until.js'

const skip = withoutNginx()

t.test(
  'a live response and a long poll get each message at once, and refusals keep their status',
  { skip },
  async t => {
    const env = { ...BEHIND_PROXY, DURABLE_STREAMS_WAIT: '50' }
    const gateway = await startGateway(t, { env })
    const nginx = await startNginx(t, { upstreams: [Number(new URL(gateway.url).port)] })
    const url = `${nginx.url}/v1/stream/chat/7`
    const headers = { ...as('editor'), 'content-type': 'text/plain' }
    const put = await fetch(url, { method: 'PUT', headers })
    const live = await openStream(t, `${url}?offset=-1&live=sse`, { headers: as('viewer') })
    await live.until(1, 'control')
    const poll = fetch(`${url}?offset=now&live=long-poll`, { headers })
    await until('both wait', () => gateway.app.streamSlots.holders.principal === 2)

    await fetch(url, { method: 'POST', headers, body: 'one' })

    t.equal(put.status, 201)
    t.equal(put.headers.get('location'), url)
    t.equal(await (await poll).text(), 'one')
    t.equal((await live.until(1, 'data')).find(({ event }) => event === 'data')?.data, 'one')
    t.equal((await fetch(`${nginx.url}/v1/stream/none?offset=-1&live=sse`, { headers })).status, 404)
    await fetch(url, { method: 'POST', headers: { ...headers, 'stream-closed': 'true' } })
    t.ok(await live.ended())
  },
)
