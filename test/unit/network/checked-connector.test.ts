import t from 'tap'
import { buildConnector } from 'undici'
import { checkedConnector } from '../../../src/network/checked-connector.js'

t.test('a host that is an address is checked too, although nothing is looked up for it', async t => {
  let lookedUp = 0
  const { connect } = checkedConnector({
    build: buildConnector,
    policy: { allowed: [], httpsOnly: true },
    addresses: {
      async find() {
        lookedUp++
        return []
      },
    },
    timeoutMs: 1_000,
  })
  const targets = [
    { protocol: 'https:', hostname: '127.0.0.1', port: '443' },
    { protocol: 'https:', hostname: '[::1]', port: '443' },
    { protocol: 'https:', hostname: '::ffff:10.0.0.1', port: '443' },
    { protocol: 'http:', hostname: '8.8.8.8', port: '80' },
    { protocol: 'ftp:', hostname: 'hooks.example.com', port: '21' },
  ]

  const faults = await Promise.all(
    targets.map(
      target =>
        new Promise(resolve => connect(target, (error, _) => resolve(error && Reflect.get(error, 'kind')))),
    ),
  )

  t.strictSame(
    faults,
    targets.map(() => 'refused-address'),
  )
  t.equal(lookedUp, 0)
})
