import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { as, publish } from '../harness/gateway.js'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { patienceSignal } from '../harness/patience.js'
import { startProcess } from '../harness/process.js'
import { findProgram } from '../harness/program.js'

const PATIENCE_MS = 20_000
const skip = withoutNginx()
const skipCurl = skip || (findProgram(['curl']) === undefined && 'curl is not installed')
const thing = (n: number) => ({ type: 'thing.made', data: { n } })

t.test('the eventsource package with a token in its header outlives every gateway', { skip }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const nginx = await startNginx(t, { upstreams: [gateway.port] })
  const sent: (string | null)[] = []
  const source = new EventSource(`${nginx.url}/api/events`, {
    fetch: (url, init) => {
      const headers = new Headers({ ...init.headers, ...as('viewer') })
      sent.push(headers.get('last-event-id'))
      return fetch(url, { ...init, headers })
    },
  })
  t.teardown(() => source.close())
  const seen = collect(source)
  await seen.until(({ states }) => states.length >= 1)

  const ids = await publish(nginx, [thing(1), thing(2)])
  await seen.until(({ events }) => events.length >= 2)
  for (const end of ['stop', 'kill'] as const) {
    await gateway[end]()
    await seen.until(({ refusals }) => refusals.length > 0)
    seen.refusals.length = 0
    gateway = await startProcess(t, { databaseUrl, port: gateway.port })
    ids.push(...(await publish(gateway, thing(ids.length + 1))))
  }
  await seen.until(({ events }) => events.length >= 4)

  t.same(
    seen.events.map(({ lastEventId, data }) => [lastEventId, data]),
    ids.map((id, index) => [id, `{"n":${index + 1}}`]),
  )
  t.ok(sent.includes(ids[1] ?? ''), 'it asked for what came after the last event that it had')
})

t.test('curl -N shows the first bytes at once and resumes by Last-Event-ID', { skip: skipCurl }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  const nginx = await startNginx(t, { upstreams: [gateway.port] })

  const first = curl(t, `${nginx.url}/api/events`)
  // Nothing else will come: with any buffering on the way this would never arrive.
  await first.until(
    /^retry: \d+\nid: 0\.[a-z2-7]{6}\nevent: server\.state\ndata: \{"mode":"normal",[^\n]+\n\n$/,
  )
  const [one, two = ''] = await publish(nginx, [thing(1), thing(2)])
  await first.until(new RegExp(`\\n\\nid: ${one}\\nevent: thing\\.made\\ndata: {"n":1}\\n\\nid: ${two}\\n`))
  await first.stop()
  const [three] = await publish(nginx, thing(3))

  const second = curl(t, `${nginx.url}/api/events`, '-H', `Last-Event-ID: ${two}`)
  await second.until(new RegExp(`id: ${three}\\nevent: thing\\.made\\ndata: {"n":3}\\n\\n$`))

  t.notMatch(second.output(), '{"n":2}')
  await second.stop()
})

interface Seen {
  readonly events: MessageEvent[]
  readonly states: MessageEvent[]
  readonly refusals: MessageEvent[]
  until(fact: (seen: Seen) => boolean): Promise<void>
}

function collect(source: EventSource): Seen {
  const look = new EventTarget()
  const into = (list: MessageEvent[]) => (event: MessageEvent) => {
    list.push(event)
    look.dispatchEvent(new Event('change'))
  }
  const seen: Seen = {
    events: [],
    states: [],
    refusals: [],
    async until(fact) {
      const signal = patienceSignal(PATIENCE_MS)
      while (!fact(seen)) await once(look, 'change', { signal })
    },
  }
  source.addEventListener('thing.made', into(seen.events))
  source.addEventListener('server.state', into(seen.states))
  source.addEventListener('unavailable', into(seen.refusals))
  return seen
}

function curl(t: Test, url: string, ...args: string[]) {
  const headers = ['Accept: text/event-stream', `Authorization: ${as('viewer').authorization}`]
  const child = spawn('curl', ['-sN', url, ...headers.flatMap(header => ['-H', header]), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill()
    await exited
  }
  t.teardown(stop)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => (output += text))
  return {
    output: () => output,
    stop,
    async until(pattern: RegExp) {
      const signal = patienceSignal(PATIENCE_MS)
      const late = (cause: unknown) => Promise.reject(new Error(`No ${pattern} in:\n${output}`, { cause }))
      while (!pattern.test(output)) await once(child.stdout, 'data', { signal }).catch(late)
    },
  }
}
