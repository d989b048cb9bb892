import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import t, { type Test } from 'tap'
import { runCommand } from '../../harness/command.js'
import { gatewayEnvironment, ownFolder } from '../../harness/command-line.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { startProgram } from '../../harness/process.js'
import { execute } from '../../harness/server.js'
import { until } from '../../harness/until.js'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** The server of a developer. */
class LocalServer {
  readonly received: Received[] = []
  /** The next answers; 204 afterwards. */
  readonly statuses: number[] = []
  #server: Server | undefined
  #port = 0

  get url(): string {
    return `http://localhost:${this.#port}/hook?x=1`
  }

  get numbers(): number[] {
    return this.received.map(({ body }) => JSON.parse(body).data.n)
  }

  async start(t: Test): Promise<void> {
    this.#port ||= await freePort()
    const server = createServer(async (request, response) => {
      this.received.push({ headers: request.headers, body: await text(request) })
      response.writeHead(this.statuses.shift() ?? 204).end('so it is')
    })
    this.#server = server
    t.teardown(() => this.stop())
    await once(server.listen(this.#port, '127.0.0.1'), 'listening')
  }

  async stop(): Promise<void> {
    if (!this.#server?.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({ type: 'n.made', data: { n: from + at } }))

t.test(
  'a viewer gets each event posted once, in order and signed, while the local server is down, refuses and is started again',
  async t => {
    const { url } = await startGateway(t)
    const server = new LocalServer()
    await server.start(t)
    await server.stop()
    await publish({ url }, [{ type: 'door.opened', data: {} }, ...numbered(1, 2)])
    const cursor = join(await ownFolder(t), 'cursor')
    const args = ['--forward', server.url, '--types', 'n.*', '--from', 'beginning', '--cursor-file', cursor]
    const env = gatewayEnvironment(url, 'viewer')
    const listen = startProgram(t, { args: ['webhook', 'listen', ...args], env })

    await listen.until(/takes no requests\. .*ECONNREFUSED.* none is skipped\.\n/)
    server.statuses.push(204, 500, 302)
    await server.start(t)
    await until('the second event was accepted', () => server.received.length === 4)
    await server.stop()
    await publish({ url }, numbered(3, 1))
    await listen.until(/takes no requests[\s\S]*takes no requests/)
    await server.start(t)
    await listen.until(
      /n\.made 204 .*\n.* n\.made 500 in \d+ ms; again in 1 s: so it is\n[\s\S]*(n\.made 204[\s\S]*){2}/,
    )
    listen.signal('SIGINT')
    t.equal(await listen.ended(), 130)

    const again = startProgram(t, { args: ['webhook', 'listen', ...args, '--count', '1'], env })
    await publish({ url }, numbered(4, 1))
    t.equal(await again.ended(), 0)
    t.strictSame(server.numbers, [1, 2, 2, 2, 3, 4])
    const [, secret = ''] = /^The secret: (whsec_\S+)$/m.exec(listen.output()) ?? []
    t.match(again.output(), `The secret: ${secret}\n`, 'the same one for the same credential')
    const wrong = server.received.filter(
      ({ headers, body }) => !new Webhook(secret).verify(body, headers as Record<string, string>),
    )
    t.strictSame(wrong, [])
    t.match(server.received[3]?.headers, {
      'user-agent': /^Sluice\//,
      'sluice-webhook': 'listen',
      'sluice-stream': 'feed',
      'sluice-attempt': '3',
      'sluice-event-id': /^3\./,
    })
    t.equal(new Set(server.received.slice(1, 4).map(({ headers }) => headers['webhook-id'])).size, 1)
  },
)

t.test(
  'what is posted has every digit and every attribute; an event that is refused can be skipped',
  async t => {
    const gateway = await startGateway(t)
    const { url } = gateway
    const server = new LocalServer()
    await server.start(t)
    const data = '{"n" : 12345678901234567890, "text": "\\u001b"}'
    await execute(gateway.databaseUrl, `select sluice.publish('acme', 'feed', 'n.made', '${data}')`)
    const cloudEvent = { specversion: '1.0', id: 'a', source: '/s', type: 'n.made', subject: 'é', data: [1] }
    await publishCloudEvent(gateway, cloudEvent)
    const listen = (...args: string[]) =>
      runCommand(
        ['webhook', 'listen', '--forward', server.url, '--from', 'beginning', ...args],
        gatewayEnvironment(url),
      )

    server.statuses.push(400)
    const standard = await listen('--count', '2', '--on-failure', 'skip', '--json', '--print-body')
    const structured = await listen('--count', '2', '--form', 'cloudevents')
    const ids = server.received.map(({ headers }) => headers['sluice-event-id'])
    const [first, second] = await Promise.all(ids.slice(0, 2).map(id => cloudEventText(gateway, String(id))))

    const [refused, accepted] = standard.out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    t.match(refused, { outcome: 'skipped', status: 400, answer: 'so it is', attempt: 1, event_id: ids[0] })
    t.match(accepted, { outcome: 'delivered', status: 204, answer: '', next_try_ms: null })
    t.match(
      server.received[0]?.body,
      new RegExp(`^\\{"type":"n.made","timestamp":"\\S+","data":${escaped(data)}\\}$`),
    )
    t.equal(refused.body, server.received[0]?.body)
    t.notOk(standard.out.includes('\u001b'))
    t.strictSame(
      server.received.slice(2).map(({ body }) => body),
      [first, second],
    )
    t.match(JSON.parse(second ?? ''), cloudEvent)
    t.match(server.received[3]?.headers, { 'content-type': 'application/cloudevents+json' })
    t.match(structured, { code: 0, told: /^2 events were delivered\. To continue there: --from 2\./m })
  },
)

t.test('what cannot work is refused before anything is posted', async t => {
  const { url } = await startGateway(t)
  const forward = ['--forward', 'http://127.0.0.1:9/hook']
  const listen = (...args: string[]) => runCommand(['webhook', 'listen', ...args], gatewayEnvironment(url))

  const answers = {
    nothing: await listen(),
    url: await listen('--forward', 'localhost:3000'),
    secret: await listen('--forward', 'http://localhost:3000', '--secret', 'whsec_short'),
    stream: await listen('--forward', 'http://localhost:3000', '--stream', 'other'),
    port: await listen(...forward),
    gateway: await runCommand(['webhook', 'listen', '--forward', 'http://localhost:3000'], {
      ...gatewayEnvironment(url),
      SLUICE_TOKEN: 'wrong',
    }),
  }

  t.match(answers, {
    nothing: { code: 2, told: /^--forward is missing\./ },
    url: { code: 2, told: /^--forward: This is no URL of the form http:\/\/localhost:3000\/hook\./ },
    secret: { code: 2, told: /^--secret must be whsec_/ },
    stream: { code: 3, told: /\(404 stream-not-found\)|\(404 not-found\)/ },
    port: { code: 2, told: /^--forward: The port 9 belongs to another protocol/ },
    gateway: { code: 3, told: /\(401 / },
  })
})

async function publishCloudEvent({ url }: Gateway, event: object): Promise<void> {
  const response = await fetch(`${url}/api/events`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
}

async function cloudEventText({ url }: Gateway, id: string): Promise<string> {
  const headers = { ...as('viewer'), accept: 'application/cloudevents+json' }
  return (await fetch(`${url}/api/events/${id}`, { headers })).text()
}

function escaped(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
