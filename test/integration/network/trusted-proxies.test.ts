import t from 'tap'
import { ConfigError, readConfig } from '../../../src/config/config.js'
import { parseProxies } from '../../../src/network/trusted-proxies.js'
import { as, startGateway } from '../../harness/gateway.js'

const REMEDY = /Name the addresses of your proxies/

function faultsOf(proxies: string): readonly string[] {
  try {
    readConfig({ TRUSTED_PROXIES: proxies })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

t.test(
  'a list that trusts all or nearly all addresses keeps the gateway from starting, and the error says why',
  async t => {
    for (const proxies of [
      'true',
      '*',
      '0.0.0.0/0',
      '::/0',
      '0.0.0.0/1,128.0.0.0/1',
      '::ffff:0:0/96',
      '::ffff:0.0.0.0/96',
      '10.0.0.2, 0.0.0.0/0',
      '2000::/3',
      '::/1',
    ]) {
      const [fault = ''] = faultsOf(proxies)

      t.match(fault, /TRUSTED_PROXIES: .*believes everybody's X-Forwarded-For/, proxies)
      t.match(fault, REMEDY, proxies)
    }
  },
)

t.test(
  'an entry that is neither an address nor a range keeps the gateway from starting, and is named',
  async t => {
    for (const proxy of [
      'yes',
      '1',
      '10.0.0',
      '10.0.0.0/33',
      '10.0.0.2/8',
      '010.0.0.1',
      'nginx',
      '10.0.0.0/255.0.0.0',
      'fd00::1/7',
      'fe80::1%eth0',
      '[::1]',
      '::/129',
      '10.0.0.2 10.0.0.3',
    ]) {
      t.match(
        faultsOf(`10.0.0.9,${proxy}`),
        [`TRUSTED_PROXIES: ${JSON.stringify(proxy)} is no address`],
        proxy,
      )
    }
  },
)

t.test('addresses, ranges and names of private networks are accepted', async t => {
  const text = '10.0.0.2, 10.0.0.0/8,::1,fc00::/7,::ffff:10.0.0.2 , loopback,uniquelocal,'

  t.same(faultsOf(text), [])
  t.same(parseProxies(text), [
    '10.0.0.2',
    '10.0.0.0/8',
    '::1',
    'fc00::/7',
    '::ffff:10.0.0.2',
    'loopback',
    'uniquelocal',
  ])
  t.same([faultsOf(''), parseProxies('')], [[], []])
})

t.test('only a proxy may name the address of a client', async t => {
  const forged = { 'x-forwarded-for': '198.51.100.7, 203.0.113.9' }
  const trusting = await startGateway(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const alone = await startGateway(t, { databaseUrl: trusting.databaseUrl })
  const made = await fetch(`${trusting.url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'office', role: 'viewer', allowed_ips: ['203.0.113.0/24'] }),
  })
  const { key } = (await made.json()) as { key: string }
  const ask = async (url: string, headers: Record<string, string>) => {
    const response = await fetch(`${url}/api/items`, { headers: { 'x-api-key': key, ...headers } })
    return response.status === 200 ? 200 : ((await response.json()) as { code: string }).code
  }

  t.equal(await ask(trusting.url, forged), 200, 'what the proxy adds is the last entry')
  t.equal(
    await ask(trusting.url, { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' }),
    'address-not-allowed',
    'what the caller wrote before it is not looked at',
  )
  t.equal(await ask(trusting.url, {}), 'address-not-allowed')
  t.equal(
    await ask(alone.url, forged),
    'address-not-allowed',
    'no proxy is trusted, so it is one more caller',
  )
})
