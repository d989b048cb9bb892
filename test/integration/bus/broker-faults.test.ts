import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { BrokerFiles } from '../../../src/bus/broker.js'
import { BrokerBus, type BrokerBusOptions } from '../../../src/bus/broker-bus.js'
import type { Wake } from '../../../src/bus/bus.js'
import type { StreamId } from '../../../src/log/event.js'
import {
  BROKER_KINDS,
  type BrokerServer,
  brokerFor,
  startBroker,
  withoutBroker,
} from '../../harness/broker-server.js'
import { certificateFor } from '../../harness/certificates.js'
import { patient } from '../../harness/patience.js'
import { temporaryFolder } from '../../harness/server.js'
import { startTcpProxy, type TcpProxy } from '../../harness/tcp-proxy.js'
import { until } from '../../harness/until.js'

/** Shorter than in production, but long enough for a busy machine. */
const canary = { canaryEveryMs: 200, canaryDeadlineMs: patient(1_000) }
const CHANNEL = 'sluice.test'

/** A server with one user and this password. */
const PASSWORD = {
  nats: (password: string) => `authorization { user: gateway, password: ${password} }`,
  redis: (password: string) => `user default off\nuser gateway on >${password} allchannels +@all`,
} as const
const REFUSAL = { nats: /^Authorization Violation/i, redis: /^WRONGPASS/ } as const
/** The rights that docs/operations.md names, and a user that may only listen. */
const LEAST_RIGHTS = {
  nats: `authorization { users: [
    { user: gateway, password: password, permissions: { publish: "sluice.>", subscribe: "sluice.>" } }
    { user: mute, password: password, permissions: { publish: "other", subscribe: "sluice.>" } }
  ] }`,
  redis: `user default off
user gateway on >password resetchannels &sluice.* -@all +publish +subscribe
user mute on >password resetchannels &sluice.* -@all +subscribe`,
} as const
type Place = (name: string) => string
/** A server that asks for certificates of its clients. */
const SECURE = {
  nats: (file: Place) =>
    `tls { cert_file: "${file('cert.pem')}", key_file: "${file('key.pem')}", ca_file: "${file('ca.pem')}", verify: true }`,
  redis: (file: Place) =>
    `tls-cert-file ${file('cert.pem')}\ntls-key-file ${file('key.pem')}\ntls-ca-cert-file ${file('ca.pem')}`,
} as const

for (const kind of BROKER_KINDS) {
  t.test(kind, { skip: withoutBroker(kind) }, async t => {
    const server = await startBroker(t, kind)

    t.test('a bus whose broker is away starts, drops wakes, and listens once it is there', async t => {
      const proxy = await startTcpProxy(t, server.port)
      await proxy.unplug()
      const { bus, wakes, lines } = await begin(t, through(server, proxy))

      bus.wake([1] as StreamId[])
      await until('it says so', () => lines.length > 0)
      t.equal(bus.status, 'down')
      t.strictSame(wakes, [])
      await proxy.plugIn()

      await until('it listens', () => bus.status === 'listening')
      t.strictSame(wakes, ['all'])
      t.match(lines, [
        {
          level: 'warn',
          text: /^The bus has lost (NATS|Redis): events .* until it is back\.$/,
          reason: /refused/i,
        },
        { level: 'info', text: /^(NATS|Redis) is back\.$/ },
      ])
      t.equal(lines.length, 2)
    })

    t.test('a broker that is killed and started again, empty, wakes everything and carries on', async t => {
      const own = await startBroker(t, kind)
      const [one, two] = await Promise.all([listening(t, own), listening(t, own)])
      const before = two.wakes.length
      await own.kill()
      await until('both are down', () => one.bus.status === 'down' && two.bus.status === 'down')
      one.bus.wake([1] as StreamId[])

      await own.start()

      await until('both listen', () => one.bus.status === 'listening' && two.bus.status === 'listening')
      one.bus.wake([2] as StreamId[])
      await until('a later wake', () => two.heard().includes(2))
      t.strictSame(two.wakes.slice(before), ['all', [2]])
    })

    t.test('a half-open connection is found, thrown away and replaced', async t => {
      const proxy = await startTcpProxy(t, server.port)
      const one = await listening(t, through(server, proxy))
      const two = await listening(t, server)
      const connections = proxy.open
      const before = one.wakes.length

      proxy.freeze()

      await until('it is down', () => one.bus.status === 'down')
      await until('it listens again', () => one.bus.status === 'listening')
      await until('the frozen connections are closed', () => proxy.open === connections)
      two.bus.wake([5] as StreamId[])
      await until('a wake', () => one.heard().includes(5))
      t.strictSame(one.wakes.slice(before), ['all', [5]])
    })

    t.test('a slow broker delays wakes, and one that is slower than the deadline is down', async t => {
      const proxy = await startTcpProxy(t, server.port)
      const one = await listening(t, through(server, proxy))
      const two = await listening(t, server)
      const streams = Array.from({ length: 100 }, (_, index) => index + 1)

      proxy.delayMs = 50
      for (const stream of streams) one.bus.wake([stream] as StreamId[])
      await until('all wakes', () => streams.every(stream => two.heard().includes(stream)))
      t.equal(one.bus.status, 'listening')
      proxy.delayMs = 10 * canary.canaryDeadlineMs

      await until('it is down', () => one.bus.status === 'down')
      t.match(one.lines, [{ level: 'warn', reason: new RegExp(`within ${canary.canaryDeadlineMs} ms`) }])
    })

    t.test('a gateway that is cut off from the broker is down alone, and the others go on', async t => {
      const proxy = await startTcpProxy(t, server.port)
      const cut = await listening(t, through(server, proxy))
      const [one, two] = await Promise.all([listening(t, server), listening(t, server)])

      await proxy.unplug()
      await until('it is down', () => cut.bus.status === 'down')
      one.bus.wake([1] as StreamId[])
      await until('a wake of the others', () => two.heard().includes(1))
      t.strictSame([one.bus.status, two.bus.status, cut.heard()], ['listening', 'listening', []])
      await proxy.plugIn()

      await until('it listens again', () => cut.bus.status === 'listening')
      cut.bus.wake([2] as StreamId[])
      await until('its wake', () => one.heard().includes(2))
    })

    t.test('a password that changes at run time: down, with the reason and without the password', async t => {
      const own = await startBroker(t, kind, PASSWORD[kind]('former-password'))
      const { bus, lines } = await listening(t, {
        kind,
        url: withUser(own.url, 'gateway', 'former-password'),
      })

      await own.kill()
      await own.start(PASSWORD[kind]('other-password'))

      await until('the reason', () => lines.some(({ reason }) => REFUSAL[kind].test(`${reason}`)))
      t.equal(bus.status, 'down')
      t.notMatch(JSON.stringify(lines), 'former-password')
      await own.kill()
      await own.start(PASSWORD[kind]('former-password'))
      await until('it listens', () => bus.status === 'listening')
    })

    t.test('the rights in the documents are enough; without that to publish the bus is down', async t => {
      const own = await startBroker(t, kind, LEAST_RIGHTS[kind])
      const url = withUser(own.url, 'gateway', 'password')
      const [one, two] = await Promise.all([listening(t, { kind, url }), listening(t, { kind, url })])
      const mute = await begin(t, { kind, url: withUser(own.url, 'mute', 'password') })

      one.bus.wake([1] as StreamId[])

      await until('the wake', () => two.heard().includes(1))
      await until('the reason', () => mute.lines.length > 0)
      t.equal(mute.bus.status, 'down')
      t.match(mute.lines[0]?.reason, /permission/i)
    })

    t.test('TLS: the authority must have signed the broker, which may ask for a certificate', async t => {
      const folder = await temporaryFolder()
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      await certificateFor(['DNS:localhost'], folder)
      const file = (name: string) => join(folder, name)
      const own = await startBroker(t, kind, SECURE[kind](file), { secure: true })
      const [caFile, client] = [file('ca.pem'), { certFile: file('cert.pem'), keyFile: file('key.pem') }]

      const one = await listening(t, own, { caFile, ...client })
      const two = await listening(t, own, { caFile, ...client })
      const mistrustful = await begin(t, own, client)
      const anonymous = await begin(t, own, { caFile })
      one.bus.wake([1] as StreamId[])

      await until('the wake', () => two.heard().includes(1))
      await until('the reasons', () => mistrustful.lines.length > 0 && anonymous.lines.length > 0)
      t.match(mistrustful.lines[0]?.reason, /certificate/)
      t.strictSame([mistrustful.bus.status, anonymous.bus.status], ['down', 'down'])
    })

    t.test('a server without TLS is refused where the URL asks for it', async t => {
      const url = server.url.replace(/^nats/, 'tls').replace(/^redis/, 'rediss')
      const { bus, lines } = await begin(t, { kind, url }, {}, { connectDeadlineMs: 500 })

      await until('the reason', () => lines.length > 0)

      t.equal(bus.status, 'down')
    })

    t.test('closing does not wait for a broker that has gone silent, and leaves no connection', async t => {
      const proxy = await startTcpProxy(t, server.port)
      const frozen = await listening(t, through(server, proxy))
      const before = proxy.accepted
      proxy.freeze()
      proxy.mode = 'silent'
      const unanswered = await begin(t, through(server, proxy))
      frozen.bus.wake([1] as StreamId[])
      await until('both wait', () => proxy.accepted > before)

      await Promise.all([frozen.bus.close(), unanswered.bus.close()])

      await until('all connections are closed', () => proxy.open === 0)
    })

    t.test('connections that a silent broker never answers do not add up', async t => {
      const proxy = await startTcpProxy(t, server.port)
      proxy.mode = 'silent'
      await begin(t, through(server, proxy), {}, { connectDeadlineMs: 20 })
      const each = kind === 'nats' ? 1 : 2
      let most = 0

      await until('it has tried several times', () => {
        most = Math.max(most, proxy.open)
        return proxy.accepted >= 5 * each
      })

      // Those of the last attempt may still be closing.
      t.ok(most <= 2 * each, `no more than two attempts are open: ${most}`)
    })

    t.test('messages that are no wakes are ignored', async t => {
      const { bus, wakes } = await listening(t, server)
      const before = wakes.length
      const { signal } = new AbortController()
      const sender = await brokerFor(server).connect(CHANNEL, { onMessage() {}, onLost() {} }, signal)
      t.teardown(() => sender.close())
      const foreign = ['', 'hello', ':7', '\0', 'sluice1', 'x'.repeat(100_000), '{"streams":[1]}']
      foreign.push('sluice1 a-stranger - 0 7  -')

      await sender.publish(foreign.map(text => Buffer.from(text)))

      await until('the one that is', () => wakes.length > before)
      t.strictSame(wakes.slice(before), [[7]])
      t.equal(bus.status, 'listening')
    })
  })
}

interface Started {
  readonly bus: BrokerBus
  readonly wakes: Wake[]
  heard(): number[]
  /** What it has logged. */
  readonly lines: { readonly level: string; readonly text: string; readonly reason: unknown }[]
}

type Server = Pick<BrokerServer, 'kind' | 'url'>

async function begin(
  t: Test,
  server: Server,
  files: BrokerFiles = {},
  times: Partial<BrokerBusOptions> = {},
): Promise<Started> {
  const lines: Started['lines'] = []
  const line = (level: string) => (fields: object, text: string) => {
    lines.push({ level, text, reason: Reflect.get(fields, 'reason') })
  }
  const logger = { info: line('info'), warn: line('warn'), error: line('error') }
  const broker = brokerFor(server, files)
  const place = async () => ({ channel: CHANNEL, history: '7300-5.1', clockAheadMs: 0 })
  const bus = new BrokerBus({ broker, place, logger, ...canary, ...times })
  const wakes: Wake[] = []
  t.teardown(() => bus.close())
  await bus.start(wake => wakes.push(wake))
  return { bus, wakes, lines, heard: () => wakes.flatMap(wake => (wake === 'all' ? [] : wake)) }
}

async function listening(t: Test, server: Server, files: BrokerFiles = {}): Promise<Started> {
  const started = await begin(t, server, files)
  await until(`it listens: ${JSON.stringify(started.lines)}`, () => started.bus.status === 'listening')
  return started
}

function through({ kind, url }: BrokerServer, { port }: TcpProxy): Server {
  return { kind, url: url.replace(/:\d+$/, `:${port}`) }
}

function withUser(url: string, user: string, password: string): string {
  return url.replace('://', `://${user}:${password}@`)
}
