import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { BrokerBus } from '../../../src/bus/broker-bus.js'
import type { Wake } from '../../../src/bus/bus.js'
import { MessageKey } from '../../../src/bus/message-key.js'
import { busContract } from '../../../src/bus/testing/bus-contract.js'
import type { StreamId } from '../../../src/log/event.js'
import {
  BROKER_KINDS,
  type BrokerServer,
  brokerFor,
  startBroker,
  withoutBroker,
} from '../../harness/broker-server.js'
import { patient } from '../../harness/patience.js'
import { startTcpProxy } from '../../harness/tcp-proxy.js'
import { until } from '../../harness/until.js'

/** Shorter than in production, but long enough for a busy machine. */
const canary = { canaryEveryMs: 200, canaryDeadlineMs: 1_000 }

const key = new MessageKey(['a secret of the bus with many characters'])
const placeAt = (channel: string) => async () => ({ channel, history: '7300-5.1', clockAheadMs: 0 })

for (const kind of BROKER_KINDS) {
  t.test(kind, { skip: withoutBroker(kind) }, async t => {
    const server = await startBroker(t, kind)
    const contract = busContract(
      async () => {
        const channel = randomUUID()
        return () => new BrokerBus({ broker: brokerFor(server), key, place: placeAt(channel) })
      },
      { patienceMs: () => patient(15_000) },
    )
    for (const { title, run } of contract) t.test(`${kind}: ${title}`, t => t.resolves(run(t)))

    t.test(
      'a bus whose broker is away starts, drops wakes, and listens once the broker is there',
      async t => {
        const proxy = await startTcpProxy(t, server.port)
        await proxy.unplug()
        const { bus, wakes } = await begin(t, { kind, url: through(server, proxy.port) })

        bus.wake([1] as StreamId[])
        t.equal(bus.status, 'down')
        t.strictSame(wakes, [])
        await proxy.plugIn()

        await until('it listens', () => bus.status === 'listening')
        t.strictSame(wakes, ['all'])
      },
    )
  })
}

interface Started {
  readonly bus: BrokerBus
  readonly wakes: Wake[]
  heard(): number[]
  /** What it has logged. */
  readonly lines: { readonly level: string; readonly text: string; readonly reason: unknown }[]
}

const CHANNEL = 'sluice.test'

async function begin(t: Test, server: Pick<BrokerServer, 'kind' | 'url'>): Promise<Started> {
  const lines: Started['lines'] = []
  const line = (level: string) => (fields: object, text: string) => {
    lines.push({ level, text, reason: Reflect.get(fields, 'reason') })
  }
  const logger = { info: line('info'), warn: line('warn'), error: line('error') }
  const bus = new BrokerBus({ broker: brokerFor(server), key, place: placeAt(CHANNEL), logger, ...canary })
  const wakes: Wake[] = []
  t.teardown(() => bus.close())
  await bus.start(wake => wakes.push(wake))
  return { bus, wakes, lines, heard: () => wakes.flatMap(wake => (wake === 'all' ? [] : wake)) }
}

function through({ url }: BrokerServer, port: number): string {
  return url.replace(/:\d+$/, `:${port}`)
}
