/**
 * The cookie that a browser gets for a command that it has started. A browser sends it without being asked, so it must open
 * this one stream and nothing else, change nothing, and end with the credentials that it was made from.
 */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { gatewayWithRoutes } from '../../harness/routes.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'

const GOOD = '192.0.2.7'
const BAD = '198.51.100.9'
const GOOD_ORIGIN = 'https://good.example'
const first = await gatewayWithRoutes(t, {
  env: { TRUSTED_PROXIES: '127.0.0.1', CORS_ORIGINS: GOOD_ORIGIN },
})
const second = await startGateway(t, { databaseUrl: first.databaseUrl })

t.test('the cookie opens the stream of its command, at every gateway and to the end', async t => {
  const { id, cookie, header } = await start()

  const stream = await openStream(t, `${second.url}${pathOf(id)}`, { headers: { cookie } })
  await stream.until(1, 'connected')
  await first.app.jobs.cancel({ id: 'ada', workspace: 'acme' }, id)

  t.equal(await stream.ended(), true)
  t.match(
    header,
    /^sluice_stream_[\w-]{16}=[\w-]{43}; Max-Age=\d+; Path=\/projects\/website\/events; HttpOnly; /,
  )
  t.match(header, /; SameSite=Strict$/)
  const age = Number(/Max-Age=(\d+)/.exec(header)?.[1])
  t.ok(age > 3_500 && age <= 3_600, `it lasts as long as its token: ${age} s`)
  t.equal(
    await status(second, pathOf(id), { cookie, 'last-event-id': stream.messages.at(-1)?.id ?? '' }),
    204,
  )
})

t.test('over HTTPS it is Secure, as the trusted proxy reports it', async t => {
  const { header } = await start({ 'x-forwarded-proto': 'https' })

  t.match(header, /; SameSite=Strict; Secure$/)
})

t.test('the cookies of several commands of one browser exist side by side', async t => {
  const commands = await Promise.all([start(), start(), start()])
  const jar = { cookie: commands.map(({ cookie }) => cookie).join('; ') }

  for (const { id } of commands) t.equal(await status(first, pathOf(id), jar), 200)
})

// Attack: the cookie of a harmless command is used for another one.
t.test('it opens no other stream and no other project', async t => {
  const { id, cookie } = await start()
  const other = await start()
  const elsewhere = await start({}, 'shop')
  const value = cookie.split('=')[1]
  const renamed = `${other.cookie.split('=')[0]}=${value}`

  for (const path of [
    pathOf(other.id),
    pathOf(elsewhere.id),
    pathOf(elsewhere.id, 'shop'),
    pathOf(id, 'shop'),
    pathOf(id.toUpperCase()),
    `${pathOf(id)}&stream_id=${other.id}`,
    `${pathOf(other.id)}&stream_id=${id}`,
    '/projects/website/events',
  ]) {
    t.equal(await status(first, path, { cookie }), 401, path)
  }
  t.equal(await status(first, pathOf(other.id), { cookie: renamed }), 401, 'under the name of another one')
  t.equal(
    await status(first, pathOf(id), { cookie: `${cookie.split('=')[0]}=${'A'.repeat(43)}` }),
    401,
    'guessed',
  )
})

// Attack (CSRF): a page makes the browser send a request, which carries the cookie.
t.test('it is no credential on any other route, and none that changes anything', async t => {
  const { cookie } = await start()
  const opened: string[] = []

  for (const { method, path, roles } of first.routes) {
    if (roles === 'public' || method === 'OPTIONS') continue
    const hasBody = ['POST', 'PUT', 'PATCH'].includes(method)
    const response = await fetch(first.url + path, {
      method,
      headers: { cookie, origin: GOOD_ORIGIN, ...(hasBody && { 'content-type': 'text/plain' }) },
      ...(hasBody && { body: '{"command":"rm -rf ."}' }),
    })
    await response.body?.cancel()
    if (response.status !== 401) opened.push(`${method} ${path} ${response.status}`)
  }

  t.strictSame(opened, [])
})

t.test('a page of an origin that is not listed cannot read the stream', async t => {
  const { id, cookie } = await start()
  const allowed = async (origin: string) => {
    const stream = await openStream(t, `${first.url}${pathOf(id)}`, { headers: { cookie, origin } })
    const { headers } = stream.response
    return [headers['access-control-allow-origin'], headers['access-control-allow-credentials']]
  }

  t.same(await allowed('https://evil.example'), [undefined, undefined])
  t.same(await allowed(GOOD_ORIGIN), [GOOD_ORIGIN, 'true'])
})

t.test('its secret is neither a ticket nor a token', async t => {
  const { id, cookie } = await start()
  const secret = cookie.split('=')[1] ?? ''

  for (const path of [`${pathOf(id)}&ticket=${secret}`, `${pathOf(id)}&token=${secret}`]) {
    t.equal(await status(first, path), 401, path)
  }
  t.equal(await status(first, pathOf(id), bearer(secret)), 401)
  t.equal(await status(first, pathOf(id), { 'x-api-key': secret }), 401)
  t.equal(await status(first, pathOf(id), { cookie: `sluice_browser=${secret}` }), 401)
})

t.test('a credential in the header or the query counts, and the cookie beside it does not', async t => {
  const { id, cookie } = await start()
  const stranger = token({ workspace: 'other' })

  t.equal(await status(first, pathOf(id), { cookie, ...bearer(stranger) }), 404)
  t.equal(await status(first, `${pathOf(id)}&token=${stranger}`, { cookie }), 404)
  t.equal(await status(first, pathOf(id), { cookie, ...bearer('forged') }), 401)
  t.equal(await status(first, pathOf(id), { cookie, ...as('runner') }), 403)
})

t.test('HEAD opens nothing with it', async t => {
  const { id, cookie } = await start()

  const response = await fetch(`${first.url}${pathOf(id)}`, { method: 'HEAD', headers: { cookie } })

  t.equal(response.status, 401)
})

// Attack: the cookie is stolen, the theft is noticed, and the key is revoked.
t.test('when its key is revoked, its stream ends within 5 s and it opens nothing any more', async t => {
  const key = await createKey({})
  const { id, cookie } = await start({ authorization: '', 'x-api-key': key.key })
  const stream = await openStream(t, `${second.url}${pathOf(id)}`, { headers: { cookie }, patienceMs: 5_000 })
  await stream.until(1, 'connected')

  const revoked = await fetch(`${first.url}/api/keys/${key.id}`, { method: 'DELETE', headers: as('admin') })

  t.equal(revoked.status, 204)
  t.equal(await stream.ended(), true)
  t.match(stream.text(), /have been revoked/)
  t.equal(await status(first, pathOf(id), { cookie }), 401)
  t.equal(await status(second, pathOf(id), { cookie }), 401)
})

t.test('when its token is revoked, so is the cookie', async t => {
  const jti = 'shell-token'
  const own = bearer(token({ role: 'editor', sub: 'eve', jti, iat: secondsFromNow(-1) }))
  const { id, cookie } = await start(own)
  const stream = await openStream(t, `${second.url}${pathOf(id)}`, { headers: { cookie }, patienceMs: 5_000 })
  await stream.until(1, 'connected')

  await fetch(`${first.url}/api/revocations`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ token_id: jti }),
  })

  t.equal(await stream.ended(), true)
  t.equal(await status(second, pathOf(id), { cookie }), 401)
})

t.test('it works only from the addresses of its key', async t => {
  const { key } = await createKey({ allowed_ips: [GOOD] })
  const { id, cookie } = await start({ authorization: '', 'x-api-key': key, 'x-forwarded-for': GOOD })

  t.equal(await status(first, pathOf(id), { cookie, 'x-forwarded-for': BAD }), 401)
  t.equal(await status(first, pathOf(id), { cookie, 'x-forwarded-for': GOOD }), 200)
})

t.test('it ends with its token', async t => {
  const { id, cookie } = await start()
  await first.app.database.query('update sluice.stream_tickets set expires_at = $1', [Date.now()])

  t.equal(await status(first, pathOf(id), { cookie }), 401)
})

t.test('the refusal has a code of its own', async t => {
  const { id, cookie } = await start()
  await first.app.database.query('delete from sluice.stream_tickets')

  const response = await fetch(`${first.url}${pathOf(id)}`, { headers: { cookie } })

  t.match(await response.json(), { code: 'stream-cookie-invalid' })
})

// Attack: a page that starts commands all day must not make its own requests too large for the gateway.
t.test('a browser with many cookies loses the oldest', async t => {
  const { id, cookie } = await start()
  const many = Array.from(
    { length: 80 },
    (_, n) => `sluice_stream_${`${n}`.padStart(16, 'A')}=${'B'.repeat(43)}`,
  )

  const stream = await openStream(t, `${first.url}${pathOf(id)}`, {
    headers: { cookie: [...many, cookie].join('; ') },
  })

  const removed = stream.response.headers['set-cookie'] ?? []
  t.equal(stream.response.statusCode, 200)
  t.equal(removed.length, 17)
  t.match(removed[0], /^sluice_stream_A{15}0=; Max-Age=0; Path=\/projects\/website\/events; /)
})

interface Started {
  readonly id: string
  readonly header: string
  /** Name and value, as the browser sends it. */
  readonly cookie: string
}

async function start(headers: Record<string, string> = {}, project = 'website'): Promise<Started> {
  const all = Object.entries({ ...as('editor'), 'content-type': 'application/json', ...headers })
  const response = await fetch(`${first.url}/projects/${project}/shell`, {
    method: 'POST',
    headers: Object.fromEntries(all.filter(([, value]) => value !== '')),
    body: JSON.stringify({ command: 'npm test' }),
  })
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`)
  const { data } = (await response.json()) as { data: { id: string } }
  const [header = ''] = response.headers.getSetCookie()
  return { id: data.id, header, cookie: header.split(';')[0] ?? '' }
}

function pathOf(id: string, project = 'website'): string {
  return `/projects/${project}/events?stream_id=${id}`
}

async function status({ url }: Gateway, path: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url + path, { headers })
  await response.body?.cancel()
  return response.status
}

async function createKey(rules: object): Promise<{ id: string; key: string }> {
  const response = await fetch(`${first.url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'a key', role: 'editor', ...rules }),
  })
  return (await response.json()) as { id: string; key: string }
}
