/**
 * Spellings of a path that authorisation and the router might read differently. Bare sockets send them: any HTTP client
 * would normalise them first.
 */
import t from 'tap'
import { exchange, portOf, requestText } from '../../harness/exchange.js'
import { as } from '../../harness/gateway.js'
import { gatewayWithRoutes, type Route } from '../../harness/routes.js'

/** What a decision on the text of the path would miss, if the router then tidied it up. */
const VARIANTS: Readonly<Record<string, (path: string) => string>> = {
  'two slashes in front': path => `/${path}`,
  'two slashes inside': path => path.replace(/(.)\//, '$1//'),
  'a final slash': path => `${path}/`,
  'a dot segment': path => `/.${path}`,
  'a dot segment at the end': path => `${path}/.`,
  'up and down again': path => `/x/..${path}`,
  'out of a public path': path => `/health/..${path}`,
  'out of the pages': path => `/docs/static/../..${path}`,
  'up, encoded': path => `/health/%2e%2e${path}`,
  'up, encoded twice': path => `/health/%252e%252e${path}`,
  'up, with a backslash': path => `/health\\..${path.replaceAll('/', '\\')}`,
  'a letter encoded': path => path.replace(/[a-z]/, letter => `%${letter.charCodeAt(0).toString(16)}`),
  'every letter encoded': path => path.replace(/[a-z]/g, letter => `%${letter.charCodeAt(0).toString(16)}`),
  'a slash encoded': path => `/${path.slice(1).replace('/', '%2f')}`,
  'overlong UTF-8 for a slash': path => `/%c0%af${path.slice(1)}`,
  'a matrix parameter': path => `${path};a=b`,
  'a matrix parameter inside': path => path.replace(/(.)\//, '$1;a=b/'),
  'upper case': path => path.toUpperCase(),
  'one letter in upper case': path => path.replace(/[a-z]/, letter => letter.toUpperCase()),
  backslashes: path => path.replaceAll('/', '\\'),
  'NUL at the end': path => `${path}%00`,
  'NUL and an extension': path => `${path}%00.css`,
  'an extension': path => `${path}.json`,
  'a line end, encoded': path => `${path}%0d%0a`,
  'a blank, encoded': path => `${path}%20`,
  'a query': path => `${path}?/health`,
  'an encoded question mark': path => `${path}%3f/health`,
  'a fragment': path => `${path}#/health`,
  'the absolute form': path => `http://gateway${path}`,
  'the absolute form, of elsewhere': path => `http://evil.example${path}`,
  'an authority in front': path => `//evil.example${path}`,
  'no slash in front': path => path.slice(1),
  'a bad escape': path => `${path}%zz`,
}

/** Headers by which some servers take the path or the method from somewhere else. */
const REWRITES: readonly Readonly<Record<string, string>>[] = [
  { 'X-Original-URL': '/health' },
  { 'X-Rewrite-URL': '/health' },
  { 'X-Forwarded-Prefix': '/health' },
  { 'X-HTTP-Method-Override': 'OPTIONS' },
  { 'X-Method-Override': 'HEAD' },
]

const isGuarded = ({ roles, method }: Route) => roles !== 'public' && !['HEAD', 'OPTIONS'].includes(method)

t.test('no spelling of a path opens it without a token', async t => {
  const { url, routes } = await gatewayWithRoutes(t)
  // The static file server answers 403 to a path that leads out of its folder.
  const refusals = [400, 401, 403, 404, 405, 414]

  const attacks = routes.filter(isGuarded).flatMap(({ method, path }) => [
    ...Object.entries(VARIANTS).map(([name, write]) => ({
      name,
      request: requestText(method, write(path)),
    })),
    ...REWRITES.map(headers => ({
      name: JSON.stringify(headers),
      request: requestText(method, path, headers),
    })),
  ])
  const failures = await tryAll(url, attacks, status => refusals.includes(status))

  t.strictSame(failures, [])
  t.ok(attacks.length > 1_000, `${attacks.length} requests`)
})

t.test('no spelling of a path gives a viewer more than its role', async t => {
  const { url, routes } = await gatewayWithRoutes(t)
  const headers = { ...as('viewer'), 'Content-Length': '0' }

  const attacks = routes
    .filter(route => isGuarded(route) && !route.roles.includes('viewer'))
    .flatMap(({ method, path }) => [
      ...Object.entries(VARIANTS).map(([name, write]) => ({
        name,
        request: requestText(method, write(path), headers),
      })),
      ...REWRITES.map(rewrite => ({
        name: JSON.stringify(rewrite),
        request: requestText(method, path, { ...headers, ...rewrite }),
      })),
    ])
  const failures = await tryAll(url, attacks, status => [400, 403, 404, 405, 414].includes(status))

  t.strictSame(failures, [])
})

// Attack: the path of a public route, and a header that names a guarded one, for a server that obeys it.
t.test('a header does not turn a public path into another one', async t => {
  const { url } = await gatewayWithRoutes(t)

  for (const name of ['X-Original-URL', 'X-Rewrite-URL']) {
    const { text } = await exchange(portOf(url), requestText('GET', '/health', { [name]: '/api/items' }))
    t.match(text, '{"status":"ok"}', name)
  }
})

/** The attacks that got an answer which is not `fine`. */
async function tryAll(
  url: string,
  attacks: readonly { name: string; request: string }[],
  fine: (status: number) => boolean,
): Promise<string[]> {
  const failures: string[] = []
  const queue = [...attacks]
  const worker = async () => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const { statuses, text } = await exchange(portOf(url), next.request)
      if (statuses.length === 1 && statuses.every(fine)) continue
      failures.push(`${next.name}: ${next.request.split('\r\n')[0]} → ${text.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: 20 }, worker))
  return failures
}
