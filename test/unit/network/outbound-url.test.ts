import t from 'tap'
import { parseRange } from '../../../src/network/address-range.js'
import type { NetworkPolicy } from '../../../src/network/network-policy.js'
import { parseOutboundUrl } from '../../../src/network/outbound-url.js'
import { HOSTILE_HOSTS, HOSTILE_URLS } from './hostile-urls.js'

const production: NetworkPolicy = { allowed: [], httpsOnly: true }
const allowing = (...networks: string[]) => ({
  allowed: networks.flatMap(text => parseRange(text) ?? []),
  httpsOnly: true,
})

const hostile = [
  ...Object.values(HOSTILE_HOSTS).flatMap(hosts => hosts.map(host => `https://${host}/`)),
  ...Object.values(HOSTILE_URLS).flat(),
]
const refused = (text: string, policy = production) => 'fault' in parseOutboundUrl(text, policy)

t.test('none of the hostile URLs is accepted', async t => {
  t.ok(new Set(hostile).size >= 300, `${hostile.length} URLs`)
  t.strictSame(
    hostile.filter(text => !refused(text)).map(text => text.slice(0, 100)),
    [],
  )
})

t.test('every refusal names a remedy and quotes nothing of the URL', async t => {
  const faults = hostile
    .map(text => parseOutboundUrl(text, production))
    .flatMap(each => ('fault' in each ? each.fault : []))

  const bad = faults.filter(fault => !/^[A-Z].*\. .*\.$/.test(fault) || /secret|passwd|user:/.test(fault))
  t.strictSame(bad, [])
})

t.test('ordinary URLs are accepted as the URL standard writes them', async t => {
  const written: Record<string, string> = {
    'https://hooks.example.com/a?b=c': 'https://hooks.example.com/a?b=c',
    'HTTPS://Hooks.Example.COM:443': 'https://hooks.example.com/',
    'https://hooks.example.com:8443/': 'https://hooks.example.com:8443/',
    'https://hooks.example.com:65535/': 'https://hooks.example.com:65535/',
    'https://bücher.example/ä': 'https://xn--bcher-kva.example/%C3%A4',
    'https://8.8.8.8/': 'https://8.8.8.8/',
    'https://[2606:4700:4700::1111]/': 'https://[2606:4700:4700::1111]/',
    'https://[::ffff:8.8.8.8]/': 'https://[::ffff:808:808]/',
    'https://[64:ff9b::8.8.8.8]/': 'https://[64:ff9b::808:808]/',
    'https://hooks.example.com/%20/@x:y': 'https://hooks.example.com/%20/@x:y',
    'https://1password.example/': 'https://1password.example/',
  }

  const parsed = Object.keys(written).map(text => {
    const each = parseOutboundUrl(text, production)
    return [text, 'url' in each ? each.url.href : each.fault]
  })

  t.strictSame(Object.fromEntries(parsed), written)
})

t.test(
  'an allowed network is open, also to http and in every form of its addresses; no other is',
  async t => {
    const policy = allowing('10.1.0.0/16', 'fd12::/16')
    const open = [
      'http://10.1.2.3/',
      'https://10.1.2.3:8443/',
      'http://0x0a010203/',
      'http://[::ffff:10.1.2.3]/',
      'http://[fd12::1]/',
      // Its addresses are checked when a connection is made.
      'http://app/hook',
    ]
    const closed = [
      'http://10.2.0.1/',
      'http://127.0.0.1/',
      'http://8.8.8.8/',
      'http://[fd13::1]/',
      'http://10.1.0.1:25/',
    ]

    t.strictSame(
      open.filter(text => refused(text, policy)),
      [],
    )
    t.strictSame(
      closed.filter(text => !refused(text, policy)),
      [],
    )
  },
)

t.test(
  'no list of networks opens metadata services, multicast, broadcast and unspecified addresses',
  async t => {
    const policy = allowing('0.0.0.0/0', '::/0')
    const never = [
      'https://169.254.169.254/',
      'https://100.100.100.200/',
      'https://[fd00:ec2::254]/',
      'https://[::ffff:169.254.169.254]/',
      'https://[64:ff9b::169.254.169.254]/',
      'https://0.0.0.0/',
      'https://[::]/',
      'https://224.0.0.1/',
      'https://255.255.255.255/',
      'https://[ff02::1]/',
    ]

    t.strictSame(
      never.filter(text => !refused(text, policy)),
      [],
    )
    t.notOk(refused('http://192.168.1.1/', policy), 'but a private one')
  },
)

t.test(
  'outside of production, public hosts may be reached by http, but inner ones remain closed',
  async t => {
    const development = { allowed: [], httpsOnly: false }

    t.notOk(refused('http://hooks.example.com/', development))
    t.notOk(refused('http://8.8.8.8/', development))
    t.ok(refused('http://127.0.0.1/', development))
  },
)
