/** Where requests go: names, real answers of a name server, and TLS. */

import { readFileSync } from 'node:fs'
import { createServer as createSecureServer } from 'node:https'
import { hostname } from 'node:os'
import t from 'tap'
import { createHostAddresses } from '../../../../src/network/host-addresses.js'
import type { Outcome } from '../../../../src/webhooks/sending/outcome.js'
import { certificateFor } from '../../../harness/certificates.js'
import { startNameServer } from '../../../harness/name-server.js'
import { httpReceiver, listening, requestTo, testSender } from '../../../harness/sender.js'

/** Open to the sender, and an inner host that must never get a connection. Both listen on the same port. */
const OPEN = '127.0.0.1'
const INNER = '127.0.0.2'

/** A name that the system knows without a name server. */
const KNOWN_NAME =
  /^[0-9.]+\s+(?!localhost\b)([a-z0-9.-]+)/im.exec(readFileSync('/etc/hosts', 'utf8'))?.[1] ?? hostname()

async function twoHosts(t: Parameters<typeof httpReceiver>[0]) {
  const open = await httpReceiver(t, (_, response) => response.end('open'), OPEN)
  const inner = await httpReceiver(t, (_, response) => response.end('inner'), INNER, open.port)
  return { open, inner }
}

const fault = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error : outcome)

t.test(
  'a name server that changes its answer after the check gains nothing: the checked address is used',
  async t => {
    const { open, inner } = await twoHosts(t)
    let asked = 0
    // Rebinding: the first answer passes the check, all later ones lead inside.
    const names = await startNameServer(t, (_, family) => {
      if (family === 4) asked++
      return asked <= 1 ? [OPEN] : [INNER]
    })
    const sender = testSender(t, { servers: [names.address] })
    const request = requestTo(`http://rebind.test:${open.port}/`)

    const first = await sender.send(request)
    const pooled = await sender.send(request)
    await sender.close()
    const later = await testSender(t, { servers: [names.address] }).send(request)

    t.match(first, { kind: 'answered', answer: 'open' })
    t.match(pooled, { kind: 'answered', answer: 'open' })
    t.equal(fault(later), 'refused-address')
    t.strictSame(names.questions, ['rebind.test', 'rebind.test'], 'one look-up per connection')
    t.equal(open.connections.count, 1)
    t.equal(inner.connections.count, 0)
  },
)

t.test(
  'one inner address among those of a host is enough to refuse it, at any place and in any family',
  async t => {
    const { open, inner } = await twoHosts(t)
    const answers: Record<string, readonly string[]> = {
      'last.test': [OPEN, INNER],
      'first.test': [INNER, OPEN],
      'six.test': [OPEN, '::1'],
      'mapped.test': [OPEN, '::ffff:127.0.0.2'],
      'translated.test': [OPEN, '64:ff9b::7f00:2'],
      'only-six.test': ['fd00::1'],
    }
    const names = await startNameServer(t, name => answers[name] ?? 'unknown')
    const sender = testSender(t, { servers: [names.address] })

    const outcomes = await Promise.all(
      Object.keys(answers).map(name => sender.send(requestTo(`http://${name}:${open.port}/`))),
    )

    t.strictSame(
      outcomes.map(fault),
      outcomes.map(() => 'refused-address'),
    )
    t.equal(open.connections.count + inner.connections.count, 0)
  },
)

t.test(
  'a name for an inner address of any kind is refused, and the refusal does not show the address',
  async t => {
    const inner =
      `0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 169.254.0.1
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1
    224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:10.0.0.1
    64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:db8::1 2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
    fec0::1 ff02::1 4000::1`.split(/\s+/)
    const names = await startNameServer(t, name => [inner[Number(name.split('.')[0])] ?? OPEN])
    const sender = testSender(t, { servers: [names.address], networks: [] })

    const outcomes = await Promise.all(inner.map((_, at) => sender.send(requestTo(`https://${at}.test/`))))

    t.strictSame(
      outcomes.flatMap((outcome, at) => (fault(outcome) === 'refused-address' ? [] : [inner[at], outcome])),
      [],
    )
    t.notMatch(JSON.stringify(outcomes), /10\.0\.0\.1|fd00|127\.0/)
  },
)

t.test('http is refused for a public address, and for a host that has one beside an allowed one', async t => {
  const names = await startNameServer(t, name => (name === 'mixed.test' ? [OPEN, '8.8.8.8'] : ['8.8.8.8']))
  const sender = testSender(t, { servers: [names.address] })

  const outcomes = await Promise.all(
    ['public.test', 'mixed.test', '8.8.8.8'].map(name => sender.send(requestTo(`http://${name}/`))),
  )

  t.strictSame(
    outcomes.map(fault),
    outcomes.map(() => 'refused-address'),
  )
})

t.test(
  'a host that no name server knows, and servers that are broken or silent, are failures of the look-up',
  async t => {
    const names = await startNameServer(t, name => (name === 'broken.test' ? 'broken' : 'unknown'))
    const silent = await startNameServer(t, () => 'silent')
    const broken = testSender(t, { servers: [names.address] })
    const waiting = testSender(t, { servers: [silent.address], connectTimeoutMs: 200 })

    t.match(await broken.send(requestTo('https://unknown.test/')), { error: 'dns', detail: /ENOTFOUND/ })
    t.match(await broken.send(requestTo('https://broken.test/')), { error: 'dns', detail: /ESERVFAIL/ })
    t.match(await waiting.send(requestTo('https://silent.test/')), {
      error: 'connect',
      detail: /UND_ERR_CONNECT_TIMEOUT/,
    })
  },
)

t.test(
  'a host with one family only is reached, and the next address when the first does not answer',
  async t => {
    const { open } = await twoHosts(t)
    // Nobody listens on 127.0.0.3.
    const answers: Record<string, readonly string[]> = { 'one.test': [OPEN], 'two.test': ['127.0.0.3', OPEN] }
    const names = await startNameServer(t, name => answers[name] ?? 'unknown')
    const sender = testSender(t, { servers: [names.address], networks: [OPEN, '127.0.0.3'] })

    t.match(await sender.send(requestTo(`http://one.test:${open.port}/`)), { answer: 'open' })
    t.match(await sender.send(requestTo(`http://two.test:${open.port}/`)), { answer: 'open' })
  },
)

t.test(
  'localhost is this machine, whatever name servers say, and other names of the system are known if they may be',
  async t => {
    const { open } = await twoHosts(t)
    const names = await startNameServer(t, name => (name.endsWith('localhost') ? ['8.8.8.8'] : 'unknown'))
    const inner = testSender(t, { servers: [names.address], networks: ['127.0.0.0/8', '::1'] })
    const outer = testSender(t, { servers: [names.address] })

    for (const name of ['localhost', 'app.localhost'])
      t.match(await inner.send(requestTo(`http://${name}:${open.port}/`)), { answer: 'open' })
    t.equal(
      fault(await outer.send(requestTo(`http://localhost:${open.port}/`))),
      'refused-address',
      'for its ::1',
    )
    const bySystem = createHostAddresses({ servers: [names.address], system: true })
    t.ok((await bySystem.find(KNOWN_NAME)).length > 0)
    t.strictSame(names.questions, [KNOWN_NAME.toLowerCase()])
  },
)

t.test('the variables of proxies are ignored', async t => {
  const receiver = await httpReceiver(t, (_, response) => response.end('receiver'))
  const proxy = await httpReceiver(t, (_, response) => response.end('proxy'))
  const variables = [
    'http_proxy',
    'https_proxy',
    'all_proxy',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'ALL_PROXY',
    'NODE_USE_ENV_PROXY',
  ]
  for (const name of variables) process.env[name] = proxy.url
  t.teardown(() => {
    for (const name of variables) delete process.env[name]
  })

  t.match(await testSender(t).send(requestTo(receiver.url)), { answer: 'receiver' })
  t.equal(proxy.connections.count, 0)
})

t.test(
  'TLS: the server name is the host, and its certificate must be for it, by an authority that is trusted',
  async t => {
    const { ca, ...own } = await certificateFor(['DNS:hooks.test', `IP:${OPEN}`], t.testdir({}))
    const serverNames: unknown[] = []
    const server = createSecureServer(own, (request, response) => {
      serverNames.push(Reflect.get(request.socket, 'servername'))
      response.end('secure')
    })
    const { port } = await listening(t, server, OPEN, 0)
    const names = await startNameServer(t, () => [OPEN])
    const sender = testSender(t, { servers: [names.address], ca })
    const stranger = testSender(t, { servers: [names.address] })

    t.match(await sender.send(requestTo(`https://hooks.test:${port}/`)), { answer: 'secure' })
    t.match(await sender.send(requestTo(`https://${OPEN}:${port}/`)), { answer: 'secure' })
    t.match(await sender.send(requestTo(`https://other.test:${port}/`)), {
      error: 'tls',
      detail: 'The host offers no secure connection (ERR_TLS_CERT_ALTNAME_INVALID).',
    })
    t.match(await stranger.send(requestTo(`https://hooks.test:${port}/`)), { error: 'tls' })
    t.strictSame(serverNames, ['hooks.test', false])
  },
)
