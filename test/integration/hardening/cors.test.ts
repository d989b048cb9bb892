/**
 * Pages of other origins. A browser lets a page read an answer only if the answer names its origin, so what must never
 * happen is that an origin is repeated because it was sent.
 */
import t from 'tap'
import { exchange, portOf, requestText } from '../../harness/exchange.js'
import { as } from '../../harness/gateway.js'
import { gatewayWithRoutes } from '../../harness/routes.js'
import { token } from '../../harness/tokens.js'

const GOOD = 'https://good.example'

const EVIL: readonly [attack: string, origin: string][] = [
  ['Any page of the net.', 'https://evil.example'],
  ['A sandboxed frame or a file, which anybody can make.', 'null'],
  ['What compares beginnings.', 'https://good.example.evil.com'],
  ['What compares ends.', 'https://evilgood.example'],
  ['What looks for it anywhere.', 'https://evil.com/https://good.example'],
  ['A subdomain that somebody has taken over.', 'https://forgotten.good.example'],
  ['The parent domain.', 'https://example'],
  ['A dot for any letter, in what compares patterns.', 'https://goodxexample'],
  ['Without TLS, where everybody on the way can write the page.', 'http://good.example'],
  ['Another program of the same host.', 'https://good.example:8443'],
  ['The usual port, which no browser writes.', 'https://good.example:443'],
  ['Another scheme.', 'ftp://good.example'],
  ['Upper case.', 'https://GOOD.example'],
  ['A final slash.', 'https://good.example/'],
  ['A user in front.', 'https://good.example@evil.example'],
  ['A backslash, which some take for a slash.', 'https://evil.example\\.good.example'],
  ['A letter that looks alike, in its encoding.', 'https://xn--gd-tia.example'],
  ['A wildcard.', '*'],
  ['A wildcard of hosts.', 'https://*.example'],
  ['A list.', 'https://good.example, https://evil.example'],
  ['A list by blanks.', 'https://good.example https://evil.example'],
  ['Something after a tab.', 'https://good.example\thttps://evil.example'],
  ['Nothing.', ''],
]

const { url, routes } = await gatewayWithRoutes(t, { env: { CORS_ORIGINS: GOOD } })

t.test('no answer names an origin that is not listed, whatever the route', async t => {
  const some = routes.filter(
    ({ method, url }) => !['OPTIONS', 'HEAD'].includes(method) && !/^\/(console|docs)\//.test(url),
  )

  for (const [attack, origin] of EVIL) {
    const answers = some.map(async route => {
      const request = requestText(route.method, route.path, {
        Origin: origin,
        Accept: 'application/json',
        Cookie: 'a=b',
        'Content-Length': '0',
        Authorization: as('admin').authorization,
      })
      const { text } = await exchange(portOf(url), request)
      const allowed = /^access-control-allow-origin: (.*)\r$/im.exec(headOf(text))?.[1]
      if (allowed !== undefined) t.fail(`${attack} ${route.method} ${route.url} allows ${allowed}`)
      if (!/^vary: .*origin/im.test(headOf(text))) t.fail(`${route.method} ${route.url} does not vary`)
    })
    await Promise.all(answers)
  }
})

t.test('no stream, no refusal and no preflight does', async t => {
  const preflight = (method: string, names: string) => ({
    'Access-Control-Request-Method': method,
    'Access-Control-Request-Headers': names,
    'Access-Control-Request-Private-Network': 'true',
  })
  const requests: readonly [method: string, target: string, headers: Record<string, string>][] = [
    ['HEAD', `/api/events?token=${token()}`, { Accept: 'text/event-stream' }],
    ['GET', '/api/items', {}],
    ['GET', '/api/items', { Authorization: 'Bearer forged' }],
    ['GET', '/nowhere', {}],
    ['GET', '/%zz', {}],
    ['PUT', '/api/items', {}],
    ['OPTIONS', '/api/items', preflight('DELETE', 'authorization')],
    ['OPTIONS', '/api/events', preflight('TRACE', '*')],
    ['OPTIONS', '/api/items', preflight('get', 'x'.repeat(4_000))],
    ['OPTIONS', '*', preflight('POST', 'authorization, , ,')],
    ['OPTIONS', '/api/items', { 'Access-Control-Request-Method': '' }],
  ]

  for (const [attack, origin] of EVIL) {
    for (const [method, target, headers] of requests) {
      const { text } = await exchange(
        portOf(url),
        requestText(method, target, { Origin: origin, ...headers }),
      )
      if (/^access-control-allow-(origin|credentials):/im.test(headOf(text)))
        t.fail(`${attack} ${method} ${target}`)
      if (/^access-control-allow-private-network:/im.test(headOf(text))) t.fail(`${method} ${target}`)
    }
  }
})

// Attack: two Origin lines; the filter reads the good one, the answer repeats the other.
t.test('with two Origin headers no unlisted origin is echoed', async t => {
  for (const [first, second] of [
    [GOOD, 'https://evil.example'],
    ['https://evil.example', GOOD],
  ]) {
    const lines = [
      'GET /health HTTP/1.1',
      'Host: x',
      `Origin: ${first}`,
      `Origin: ${second}`,
      'Connection: close',
    ]
    const { text } = await exchange(portOf(url), `${lines.join('\r\n')}\r\n\r\n`)
    t.notMatch(headOf(text), 'evil.example')
  }
})

t.test('the listed origin may still read', async t => {
  const response = await fetch(`${url}/api/items`, { headers: { ...as('viewer'), origin: GOOD } })

  t.equal(response.headers.get('access-control-allow-origin'), GOOD)
  t.equal(response.headers.get('access-control-allow-credentials'), 'true')
})

function headOf(text: string): string {
  return text.split('\r\n\r\n')[0] ?? ''
}
