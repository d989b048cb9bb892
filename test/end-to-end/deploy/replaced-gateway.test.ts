/** A gateway is replaced behind the proxies of deploy/, as a deploy does it: its balancer learns of the end before it comes. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { drainDelayOf } from '../../../server/stop-sequence.js'
import { readConfig } from '../../../src/config/config.js'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { withoutProgram } from '../../harness/own-proxy.js'
import { patient } from '../../harness/patience.js'
import { startProcess } from '../../harness/process.js'
import { caddy, haproxy, startProxy } from '../../harness/proxies.js'
import { until } from '../../harness/until.js'

const DELAY_MS = drainDelayOf({ ...readConfig({}), NODE_ENV: 'production' })
/** HAProxy adds how often it has connected in vain: 0 for a request whose first gateway answered. */
const COUNT_RETRIES = [' %b/%s %ts"', ' %b/%s %ts retries=%rc"'] as const
/** From the end of the delay on. */
const STOP_MS = 31_000
/** An event stream that no gateway took is a 200 as well. */
const STREAM_FAILED = 0
const STREAM = { ...as('viewer'), accept: 'text/event-stream' }

t.test('HAProxy: no request meets a closed port', { skip: withoutProgram('haproxy') }, async t => {
  const { stop, upstreams } = await startTwo(t)
  const { url, log } = await startProxy(t, haproxy, { upstreams, changes: [COUNT_RETRIES] })

  const statuses = await replace(t, stop, url)

  t.strictSame(statuses, new Set([200, 201]))
  t.notMatch(log(), /retries=\+?[1-9]/, 'no connection was refused')
  t.match(log(), /retries=0/)
})

t.test('Caddy: no request fails', { skip: withoutProgram('caddy') }, async t => {
  const { stop, upstreams } = await startTwo(t)
  const { url } = await startProxy(t, caddy, { upstreams })

  t.strictSame(await replace(t, stop, url), new Set([200, 201]))
})

// nginx does not probe: its publishes meet the closed port, some of them over a connection that the gateway has not accepted and resets.
t.test('nginx: no stream fails, nor any publish with a key', { skip: withoutNginx() }, async t => {
  const { stop, upstreams } = await startTwo(t)
  const { url } = await startNginx(t, { upstreams })

  t.strictSame(await replace(t, stop, url), new Set([200, 201]))
})

async function startTwo(t: Test) {
  const { url: databaseUrl } = await createDatabase(t)
  const delayMs = patient(DELAY_MS)
  const env = { TRUSTED_PROXIES: '127.0.0.1', DRAIN_DELAY_MS: `${delayMs}` }
  const [gateway, other] = [
    await startProcess(t, { databaseUrl, env }),
    await startProcess(t, { databaseUrl, env }),
  ]
  /** The load may fall meanwhile, and the patience with it, but not the delay. */
  const stop = () => {
    gateway.signal('SIGTERM')
    return gateway.ended(delayMs + STOP_MS)
  }
  return { stop, upstreams: [gateway.port, other.port] as [number, number] }
}

/** Stops the gateway in the middle of publishes and of clients that connect. @returns the statuses that they got. */
async function replace(
  t: Test,
  stop: () => Promise<number | null>,
  url: string,
): Promise<ReadonlySet<number>> {
  await until('the proxy answers', async () => (await fetch(`${url}/health`)).status === 200)
  const statuses = new Set<number>()
  let stopped = false
  let requests = 0
  const ask = async () => {
    while (!stopped) {
      const key = randomUUID()
      for (let status = 0; status !== 201 && !stopped; statuses.add(status)) status = await publish(url, key)
      const stream = await fetch(`${url}/api/events`, { headers: STREAM })
      const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
      const { value } = (await reader?.read()) ?? {}
      await reader?.cancel()
      statuses.add(/"reason":"(upstream|draining)"/.test(value ?? '') ? STREAM_FAILED : stream.status)
      requests += 1
    }
  }
  const asking = Promise.all([ask(), ask(), ask()])
  await until('clients are under way', () => requests > 20)

  const code = await stop()
  const after = requests + 20
  await until('clients go on', () => requests > after)
  stopped = true
  await asking

  t.equal(code, 0)
  return statuses
}

/** As a publisher that wants to repeat it: with a key. */
async function publish(url: string, key: string): Promise<number> {
  const headers = { ...as('editor'), 'content-type': 'application/json', 'idempotency-key': key }
  const body = JSON.stringify({ type: 'thing.made', data: {} })
  const response = await fetch(`${url}/api/events`, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return response.status
}
