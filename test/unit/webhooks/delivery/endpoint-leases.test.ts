import t from 'tap'
import type { Epoch } from '../../../../src/consumers/consumer.js'
import type { ClaimedEndpoint, DeliveryRows } from '../../../../src/webhooks/delivery/delivery-rows.js'
import { DeliveryTally } from '../../../../src/webhooks/delivery/delivery-tally.js'
import { EndpointLeases } from '../../../../src/webhooks/delivery/endpoint-leases.js'
import type { HeldEndpoint } from '../../../../src/webhooks/delivery/held-endpoint.js'
import { silent } from '../../../harness/hub.js'

t.test('an endpoint that is claimed again is lost first, so that two never deliver at once', async t => {
  const opened: { epoch: Epoch; isEnding: boolean }[] = []
  let epoch = 0
  const leases = new EndpointLeases({
    node: 'n',
    rows: {
      join: async () => ({ nodes: 1, endpoints: 2 }),
      // After a step of the database's clock, the lease seems to have ended.
      claim: async () => [
        { id: 'a', epoch: ++epoch, endpoint: { revision: 1 } } as unknown as ClaimedEndpoint,
      ],
      renew: async () => [],
      changed: async () => [],
    } as unknown as DeliveryRows,
    logger: silent,
    tally: new DeliveryTally(),
    leaseMs: 10_000,
    open(claimed) {
      const one = { claimed, epoch: claimed.epoch, isEnding: false, lose: () => (one.isEnding = true) }
      opened.push(one)
      return one as unknown as HeldEndpoint
    },
    stored: async () => undefined,
  })

  await leases.turn()
  await leases.turn()

  t.match(opened, [
    { epoch: 1, isEnding: true },
    { epoch: 2, isEnding: false },
  ])
  t.equal(leases.size, 1)
})
