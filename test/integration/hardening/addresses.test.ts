/**
 * Forged client addresses. Only a trusted proxy may name the client's address, and in a list only the entry that this
 * proxy added counts: otherwise a caller that sends the right address evades key rules, limits and the audit log.
 */
import t, { type Test } from 'tap'
import { buildApp } from '../../../server/app.js'
import { readConfig } from '../../../src/config/config.js'
import { logOptions } from '../../../src/logging/http-log.js'
import { createDatabase } from '../../harness/database.js'
import { exchange, portOf } from '../../harness/exchange.js'
import { as, testEnvironment } from '../../harness/gateway.js'

const PEER = '127.0.0.1'
const CLIENT = '192.0.2.7'

type Case = readonly [attack: string, lines: readonly string[], address: string]

const UNTRUSTED: readonly Case[] = [
  ['An address of choice.', [`X-Forwarded-For: ${CLIENT}`], PEER],
  ['The same, twice.', [`X-Forwarded-For: ${CLIENT}`, `X-Forwarded-For: ${CLIENT}`], PEER],
  ['A list that ends with a trusted-looking one.', [`X-Forwarded-For: ${CLIENT}, 127.0.0.1`], PEER],
  ['The standard’s header.', [`Forwarded: for=${CLIENT}`], PEER],
  ['nginx’s.', [`X-Real-IP: ${CLIENT}`], PEER],
  [
    'Those of others.',
    [`X-Client-IP: ${CLIENT}`, `True-Client-IP: ${CLIENT}`, `CF-Connecting-IP: ${CLIENT}`],
    PEER,
  ],
  ['The IPv4 address as IPv6.', [`X-Forwarded-For: ::ffff:${CLIENT}`], PEER],
  ['A folded line.', [`X-Forwarded-For: ${CLIENT},`, ' 10.0.0.1'], 'refused'],
]

const TRUSTED: readonly Case[] = [
  ['None: the proxy itself asks.', [], PEER],
  ['What the proxy says.', [`X-Forwarded-For: ${CLIENT}`], CLIENT],
  ['The client has put another in front.', [`X-Forwarded-For: 6.6.6.6, ${CLIENT}`], CLIENT],
  ['It has put the proxy in front.', [`X-Forwarded-For: 127.0.0.1, ${CLIENT}`], CLIENT],
  ['Two lines: the proxy’s is the last.', ['X-Forwarded-For: 6.6.6.6', `X-Forwarded-For: ${CLIENT}`], CLIENT],
  ['A proxy behind the proxy.', [`X-Forwarded-For: ${CLIENT}, 127.0.0.1`], CLIENT],
  [
    'The standard’s header, which is not read.',
    ['Forwarded: for=6.6.6.6', `X-Forwarded-For: ${CLIENT}`],
    CLIENT,
  ],
  ['Another header, which is not read.', ['X-Real-IP: 6.6.6.6', `X-Forwarded-For: ${CLIENT}`], CLIENT],
  ['An empty list.', ['X-Forwarded-For: '], PEER],
]

t.test('a caller that is no trusted proxy cannot choose its address', async t => {
  for (const proxies of ['', '10.0.0.0/8,192.0.2.0/24']) {
    const { url, addressOf } = await startLogged(t, { TRUSTED_PROXIES: proxies })

    for (const [attack, lines, address] of UNTRUSTED) {
      t.equal(await addressOf(url, lines), address, `${attack} ${lines.join(' | ')}`)
    }
  }
})

t.test('in a forwarded list only the entry that a trusted proxy added counts', async t => {
  const { url, addressOf } = await startLogged(t, { TRUSTED_PROXIES: PEER })

  for (const [attack, lines, address] of TRUSTED) {
    t.equal(await addressOf(url, lines), address, `${attack} ${lines.join(' | ')}`)
  }
})

// Attack: a stolen key is used from elsewhere, with the address that it is bound to in a header.
t.test('a key works from its addresses only, whatever addresses a caller claims', async t => {
  const { url } = await startLogged(t, { TRUSTED_PROXIES: PEER })
  const direct = await startLogged(t, {})
  const cases: readonly [base: string, status: number, forwarded: string][] = [
    [url, 200, CLIENT],
    [url, 200, `::ffff:${CLIENT}`],
    [url, 200, `6.6.6.6, ${CLIENT}`],
    [url, 403, '6.6.6.6'],
    [url, 403, `${CLIENT}, 6.6.6.6`],
    [url, 403, `${CLIENT}:443`],
    [url, 403, `[::ffff:${CLIENT}]:443`],
    [url, 403, '192.0.2.007'],
    [url, 403, '3221225991'],
    [url, 403, '0xc0.0.2.7'],
    [url, 403, 'unknown'],
    [url, 403, `${CLIENT}%eth0, garbage`],
    [url, 403, "'; drop table sluice.api_keys; --"],
    [direct.url, 403, CLIENT],
    [direct.url, 403, `::ffff:${CLIENT}`],
  ]
  const keys = new Map([
    [url, await boundKey(url)],
    [direct.url, await boundKey(direct.url)],
  ])

  for (const [base, status, forwarded] of cases) {
    const headers = { 'x-api-key': keys.get(base) ?? '', 'x-forwarded-for': forwarded }
    const response = await fetch(`${base}/api/items`, { headers })
    t.equal(response.status, status, `${base === url ? 'proxied' : 'direct'}: ${forwarded}`)
    await response.text()
  }
})

// Attack: each guess comes with another forged address, so that none of them is ever at its limit.
t.test('forged addresses allow no further guesses', async t => {
  const { url } = await startLogged(t, { RATE_LIMIT_MAX: '1000', RATE_LIMIT_ADDRESS_MAX: '10' })

  const statuses: number[] = []
  for (let guess = 0; guess < 20; guess++) {
    const headers = { 'x-forwarded-for': `198.51.100.${guess}`, authorization: 'Bearer a.b.c' }
    const response = await fetch(`${url}/api/items`, { headers })
    statuses.push(response.status)
    await response.text()
  }

  t.same(statuses.slice(0, 5), [401, 401, 401, 401, 401])
  t.same(statuses.slice(-5), [429, 429, 429, 429, 429])
})

// Attack: the address that is logged holds a line end and a line of its own, or is as long as a header may be.
t.test('an invalid address forges no log line', async t => {
  const { url, lines } = await startLogged(t, { TRUSTED_PROXIES: PEER })

  for (const forged of [
    '1.1.1.1\\n{"level":60}',
    '"},"msg":"admin logged in',
    '<script>',
    'x'.repeat(8_000),
  ]) {
    await (await fetch(`${url}/nowhere`, { headers: { 'x-forwarded-for': forged } })).text()
  }

  for (const line of lines) t.doesNotThrow(() => JSON.parse(line))
  t.notMatch(lines.map(line => JSON.parse(line).msg).join(' '), 'admin logged in')
})

async function startLogged(t: Test, env: Record<string, string>) {
  const { url: databaseUrl } = await createDatabase(t)
  const config = readConfig({ ...testEnvironment(databaseUrl), ACCESS_LOG: 'on', ...env })
  const lines: string[] = []
  const logger = { ...logOptions('info'), stream: { write: (line: string) => lines.push(line) } }
  const app = await buildApp({ config, databaseUrl, logger })
  t.teardown(() => app.close())
  const url = await app.listen({ host: PEER, port: 0 })

  let asked = 0
  return {
    url,
    lines,
    /** What a request with these header lines is said to come from; `refused` when nobody was asked. */
    async addressOf(url: string, headers: readonly string[]): Promise<string> {
      const path = `/nowhere/${++asked}`
      const head = [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers]
      await exchange(portOf(url), `${head.join('\r\n')}\r\n\r\n`)
      const line = lines.find(each => each.includes(`"${path}"`) && each.includes('remoteAddress'))
      return line === undefined ? 'refused' : String(JSON.parse(line).req.remoteAddress)
    },
  }
}

/** A key that is taken from one address. */
async function boundKey(url: string): Promise<string> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bound', role: 'viewer', allowed_ips: [CLIENT] }),
  })
  return Object(await response.json()).key
}
