/**
 * More than one credential, or one where it does not belong. A request with two is two requests: the proxy, the log and
 * the gateway may each believe another one, and somebody acts in somebody else's name.
 */
import t from 'tap'
import { exchange, portOf } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

t.test('two credentials are refused, of whatever kinds, in whatever order, good or bad', async t => {
  const { url } = await startGateway(t)
  const key = await apiKey(url)
  const ticket = await streamTicket(url)
  const places: Record<string, { line?: string; query?: string }> = {
    'token in the header': { line: `Authorization: Bearer ${token()}` },
    'bad token in the header': { line: 'authorization: Bearer a.b.c' },
    'key in X-API-Key': { line: `X-API-Key: ${key}` },
    'bad key in X-API-Key': { line: 'x-api-key: slk_aaaaaaaaaaaa_b' },
    'key as bearer': { line: `Authorization: Bearer ${key}` },
    'token in the query': { query: `token=${token()}` },
    'bad token in the query': { query: 'token=a.b.c' },
    'ticket in the query': { query: `ticket=${ticket}` },
    'bad ticket in the query': { query: 'ticket=nobodys' },
  }

  for (const [first, one] of Object.entries(places)) {
    for (const [second, two] of Object.entries(places)) {
      const lines = [one.line, two.line].flatMap(line => line ?? [])
      const query = [one.query, two.query].flatMap(part => part ?? []).join('&')
      const { text } = await exchange(portOf(url), requestOf(`/api/events?${query}`, lines))
      t.match(text, /^HTTP\/1\.1 400 .*"two-credentials"/s, `${first}, ${second}`)
    }
  }
})

t.test('a credential counts in its own place only', async t => {
  const { url } = await startGateway(t)
  const key = await apiKey(url)
  const ticket = await streamTicket(url)
  const good = token()
  const attempts: Record<string, [target: string, lines?: string[]]> = {
    'a cookie with the token': ['/api/events', [`Cookie: token=${good}; authorization=Bearer ${good}`]],
    Basic: ['/api/events', [`Authorization: Basic ${Buffer.from(`token:${good}`).toString('base64')}`]],
    'two in one header': ['/api/events', [`Authorization: Bearer ${good}, Bearer ${good}`]],
    'the token without its scheme': ['/api/events', [`Authorization: ${good}`]],
    'a proxy’s header': [
      '/api/events',
      [`Proxy-Authorization: Bearer ${good}`, `X-Authorization: Bearer ${good}`],
    ],
    'a parameter by another name': [`/api/events?access_token=${good}`],
    'in upper case': [`/api/events?TOKEN=${good}`],
    'as a list': [`/api/events?token[]=${good}`],
    'as an object': [`/api/events?token[value]=${good}`],
    'on a route that is no stream': [`/api/items?token=${good}`],
    'a ticket on a route that is no stream': [`/api/items?ticket=${ticket}`],
    'a ticket as a bearer': ['/api/events', [`Authorization: Bearer ${ticket}`]],
    'a ticket as a key': ['/api/events', [`X-API-Key: ${ticket}`]],
    'a token as a key': ['/api/events', [`X-API-Key: ${good}`]],
    'a key as a ticket': [`/api/events?ticket=${key}`],
    'a ticket as a token': [`/api/events?token=${ticket}`],
    'behind a fragment': [`/api/events#?token=${good}`],
  }

  for (const [name, [target, lines = []]] of Object.entries(attempts)) {
    const { text } = await exchange(portOf(url), requestOf(target, lines))
    t.match(text, /^HTTP\/1\.1 401 /, name)
  }
  const inUrl = await exchange(portOf(url), requestOf(`/api/events?token=${key}`, []))
  t.match(inUrl.text, /^HTTP\/1\.1 400 .*"key-in-url"/s, 'a key in a URL is refused, not used')
  for (const lines of [
    [`Authorization: Bearer ${good}`],
    [`X-API-Key: ${key}`],
    [`Authorization: Bearer ${key}`],
  ]) {
    const { text } = await exchange(portOf(url), requestOf('/api/events', lines))
    t.match(text, /^HTTP\/1\.1 200 /, 'each in its own place is good')
  }
})

function requestOf(target: string, lines: readonly string[]): string {
  const head = [
    `GET ${target} HTTP/1.1`,
    'Host: x',
    'Accept: application/json',
    'Connection: close',
    ...lines,
  ]
  return `${head.join('\r\n')}\r\n\r\n`
}

async function apiKey(url: string): Promise<string> {
  return (await post(url, '/api/keys', { name: 'test', role: 'viewer' })).key
}

async function streamTicket(url: string): Promise<string> {
  return (await post(url, '/api/stream-tickets', { path: '/api/events' })).ticket
}

async function post(url: string, path: string, body: object) {
  const headers = { ...as('admin'), 'content-type': 'application/json' }
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  return Object(await response.json())
}
