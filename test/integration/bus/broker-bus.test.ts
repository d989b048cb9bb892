import { randomUUID } from 'node:crypto'
import t from 'tap'
import { BrokerBus } from '../../../src/bus/broker-bus.js'
import { MessageKey } from '../../../src/bus/message-key.js'
import { busContract } from '../../../src/bus/testing/bus-contract.js'
import { BROKER_KINDS, brokerFor, startBroker, withoutBroker } from '../../harness/broker-server.js'
import { patient } from '../../harness/patience.js'

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
  })
}
