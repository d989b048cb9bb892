import t from 'tap'
import type { ApiKey, CreatedApiKey } from '../../../src/auth/api-keys/api-key.js'
import { createPool } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, BEHIND_PROXY, type Gateway, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

const NO_KEY = 'zzzzzzzzzzzz'

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

async function send(
  { url }: Pick<Gateway, 'url'>,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

async function create(gateway: Gateway, given: object = {}, workspace = 'acme'): Promise<CreatedApiKey> {
  const answer = await send(gateway, 'POST', '/api/keys', as('admin', workspace), {
    name: 'import',
    role: 'viewer',
    ...given,
  })
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return answer.body as unknown as CreatedApiKey
}

/** The answer to a request with the key: 200, or the code of its refusal. */
async function tried(gateway: Pick<Gateway, 'url'>, key: string, headers: object = { 'x-api-key': key }) {
  const { status, body } = await send(gateway, 'GET', '/api/items', { ...headers })
  return status === 200 ? 200 : body.code
}

async function listed(gateway: Gateway, workspace = 'acme'): Promise<ApiKey[]> {
  return (await send(gateway, 'GET', '/api/keys', as('admin', workspace))).body.keys as ApiKey[]
}

t.test('a key is shown once, works for its role, and needs only its own header', async t => {
  const gateway = await startGateway(t)

  const made = await send(gateway, 'POST', '/api/keys', as('admin'), { name: 'import', role: 'editor' })
  const { key, ...shown } = made.body as unknown as CreatedApiKey

  t.equal(made.status, 201)
  t.equal(made.headers.get('cache-control'), 'no-store')
  t.strictSame(shown, {
    id: key.split('_')[1],
    prefix: null,
    name: 'import',
    role: 'editor',
    expires_at: null,
    allowed_ips: null,
    grants: null,
    created_at: shown.created_at,
    created_by: 'admin-of-acme',
    last_used_at: null,
    replaced_by: null,
    revoked_at: null,
    revoked_by: null,
  })
  t.same(await listed(gateway), [shown], 'what is listed has no secret')
  t.equal(await tried(gateway, key), 200)
  t.equal(await tried(gateway, key, { authorization: `Bearer ${key}` }), 200)
  t.equal((await send(gateway, 'GET', '/api/keys', { 'x-api-key': key })).body.code, 'role-too-low')
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: { 'x-api-key': key } })
  t.equal(stream.response.statusCode, 200)
  const inUrl = await send(gateway, 'GET', `/api/events?token=${key}`, {})
  t.match(inUrl, { status: 400, body: { code: 'key-in-url' } })
})

t.test('only admins see and change keys, and a key may be an admin', async t => {
  const gateway = await startGateway(t)
  const { id } = await create(gateway)
  const routes: [string, string, object?][] = [
    ['GET', '/api/keys'],
    ['POST', '/api/keys', { name: 'x', role: 'admin' }],
    ['POST', `/api/keys/${id}/rotate`],
    ['DELETE', `/api/keys/${id}`],
  ]

  for (const [method, path, body] of routes) {
    for (const role of ['viewer', 'editor', 'runner'] as const) {
      const answer = await send(gateway, method, path, as(role), body)
      t.match(answer, { status: 403, body: { code: 'role-too-low' } }, `${role} ${method} ${path}`)
    }
    t.equal((await send(gateway, method, path, {}, body)).status, 401)
  }

  const admin = { 'x-api-key': (await create(gateway, { role: 'admin' })).key }
  const made = await send(gateway, 'POST', '/api/keys', admin, { name: 'by a key', role: 'viewer' })
  t.match(made, { status: 201, body: { created_by: /^key:/ } })
})

t.test('a key of another workspace is a 404', async t => {
  const gateway = await startGateway(t)
  const { id, key } = await create(gateway)
  const globex = as('admin', 'globex')

  for (const [method, path] of [
    ['DELETE', '/api/keys/ID'],
    ['POST', '/api/keys/ID/rotate'],
  ] as const) {
    const foreign = await send(gateway, method, path.replace('ID', id), globex)
    const unknown = await send(gateway, method, path.replace('ID', NO_KEY), globex)

    t.match(foreign, { status: 404, body: { code: 'not-found' } }, path)
    t.strictSame({ ...foreign.body, request_id: '' }, { ...unknown.body, request_id: '' })
  }
  t.same(await listed(gateway, 'globex'), [])
  const cursor = Buffer.from(`keys:${id}`).toString('base64url')
  t.same((await send(gateway, 'GET', `/api/keys?cursor=${cursor}`, globex)).body, {
    keys: [],
    next_cursor: null,
  })
  t.equal(await tried(gateway, key), 200)
})

t.test('an invalid field is refused and named', async t => {
  const gateway = await startGateway(t)
  const fine = { name: 'import', role: 'viewer' }
  const cases: [body: unknown, field: string][] = [
    [{ role: 'viewer' }, 'body/name'],
    [{ ...fine, name: '' }, 'body/name'],
    [{ ...fine, name: 'a\nb' }, 'body/name'],
    [{ ...fine, name: 'x'.repeat(129) }, 'body/name'],
    [{ ...fine, name: 7 }, 'body/name'],
    [{ name: 'import' }, 'body/role'],
    [{ ...fine, role: 'owner' }, 'body/role'],
    [{ ...fine, expires_at: '2020-01-01T00:00:00Z' }, 'body/expires_at'],
    [{ ...fine, expires_at: 'tomorrow' }, 'body/expires_at'],
    [{ ...fine, expires_at: 0 }, 'body/expires_at'],
    [{ ...fine, allowed_ips: [] }, 'body/allowed_ips'],
    [{ ...fine, allowed_ips: '10.0.0.0/8' }, 'body/allowed_ips'],
    [{ ...fine, allowed_ips: ['10.0.0.0/8', '10.0.0.1/8'] }, 'body/allowed_ips/1'],
    [{ ...fine, allowed_ips: ['10.0.0.0/40'] }, 'body/allowed_ips/0'],
    [{ ...fine, allowed_ips: ['office'] }, 'body/allowed_ips/0'],
    [{ ...fine, allowed_ips: Array.from({ length: 65 }, () => '10.0.0.1') }, 'body/allowed_ips'],
    [{ ...fine, secret: 'mine' }, 'body/secret'],
    [{ ...fine, workspace: 'globex' }, 'body/workspace'],
    ['viewer', 'body'],
  ]

  for (const [body, field] of cases) {
    const answer = await send(gateway, 'POST', '/api/keys', as('admin'), body)
    t.match(answer, { status: 400, body: { code: 'invalid-request', errors: [{ path: field }] } }, field)
  }
  const { id } = await create(gateway)
  for (const body of [
    { overlap: -1 },
    { overlap: 0.5 },
    { overlap: 2_592_001 },
    { overlap: '1' },
    { until: 1 },
  ]) {
    t.equal((await send(gateway, 'POST', `/api/keys/${id}/rotate`, as('admin'), body)).status, 400)
  }
  for (const path of ['/api/keys/nobody', `/api/keys/${id}x`, `/api/keys/${id.toUpperCase()}x`]) {
    t.equal((await send(gateway, 'DELETE', path, as('admin'))).status, 400, path)
  }
  t.equal((await listed(gateway)).length, 1)
})

t.test('a list of keys has pages, the newest first, and a new key shifts none', async t => {
  const gateway = await startGateway(t)
  const ids: string[] = []
  for (let made = 0; made < 7; made += 1) ids.unshift((await create(gateway, { name: `key ${made}` })).id)

  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await send(gateway, 'GET', `/api/keys?limit=3${cursor}`, as('admin'))
    const page = body as unknown as { keys: ApiKey[]; next_cursor: string | null }
    seen.push(...page.keys.map(({ id }) => id))
    cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`
    await create(gateway)
  } while (cursor !== '')

  t.same(seen, ids)
  t.equal((await send(gateway, 'GET', '/api/keys?cursor=x', as('admin'))).body.code, 'invalid-cursor')
})

t.test('a rotated key and its successor both work until the overlap ends', async t => {
  const gateway = await startGateway(t)
  const rules = { name: 'office', role: 'editor', allowed_ips: ['127.0.0.0/8', '::1/128'] }
  const old = await create(gateway, rules)

  const rotated = await send(gateway, 'POST', `/api/keys/${old.id}/rotate`, as('admin'), { overlap: 60 })
  const made = rotated.body as unknown as CreatedApiKey

  t.equal(rotated.status, 201)
  t.equal(rotated.headers.get('cache-control'), 'no-store')
  t.match(made, { ...rules, allowed_ips: ['127.0.0.0/8', '::1/128'], expires_at: null, replaced_by: null })
  t.same([await tried(gateway, old.key), await tried(gateway, made.key)], [200, 200])
  const [newer, older] = await listed(gateway)
  t.equal(newer?.id, made.id)
  t.match(older, { id: old.id, replaced_by: made.id, revoked_at: null })
  const left = Date.parse(older?.expires_at ?? '') - Date.now()
  t.ok(left > 30_000 && left <= 60_000, `${left} ms are left`)

  const again = await send(gateway, 'POST', `/api/keys/${old.id}/rotate`, as('admin'))
  t.match(again, { status: 409, body: { code: 'key-rotated', replaced_by: made.id } })
  const at = await send(gateway, 'POST', `/api/keys/${made.id}/rotate`, as('admin'), { overlap: 0 })
  t.equal(await tried(gateway, made.key), 'key-revoked', 'without an overlap the old one ends at once')
  t.equal(await tried(gateway, String(at.body.key)), 200)
  const ended = await send(gateway, 'POST', `/api/keys/${made.id}/rotate`, as('admin'))
  t.match(ended, { status: 409, body: { code: 'key-ended' } })
})

t.test('the successor of an expiring key lives as long, and rotation never extends the old key', async t => {
  const gateway = await startGateway(t)
  const life = 3_600_000
  const old = await create(gateway, { expires_at: new Date(Date.now() + life).toISOString() })

  const { body } = await send(gateway, 'POST', `/api/keys/${old.id}/rotate`, as('admin'))

  const [newer, older] = await listed(gateway)
  t.equal(older?.expires_at, old.expires_at, 'the overlap of a day would have been longer')
  t.equal(newer?.id, body.id)
  const made = Date.parse(newer?.expires_at ?? '') - Date.parse(newer?.created_at ?? '')
  t.ok(Math.abs(made - life) < 5_000, `${made} ms`)
})

t.test('concurrent rotations of one key create one key', async t => {
  const gateway = await startGateway(t)
  const { id } = await create(gateway)

  const answers = await Promise.all(
    Array.from({ length: 5 }, () => send(gateway, 'POST', `/api/keys/${id}/rotate`, as('admin'))),
  )

  t.same(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409])
  t.equal((await listed(gateway)).length, 2)
})

t.test('a revoked key no longer works, and revoking it twice is fine', async t => {
  const gateway = await startGateway(t)
  const { id, key } = await create(gateway)
  t.equal(await tried(gateway, key), 200)

  const first = await send(gateway, 'DELETE', `/api/keys/${id}`, as('admin'))
  t.equal(await tried(gateway, key), 'key-revoked')
  const [revoked] = await listed(gateway)
  const second = await send(gateway, 'DELETE', `/api/keys/${id}`, as('admin', 'acme'))

  t.same([first.status, second.status], [204, 204])
  t.match(revoked, { id, revoked_by: 'admin-of-acme', revoked_at: String })
  t.same(await listed(gateway), [revoked])
})

t.test('in maintenance keys can be revoked, but not created', async t => {
  const gateway = await startGateway(t)
  const { id, key } = await create(gateway)
  await send(gateway, 'PUT', '/api/server/state', as('admin'), { mode: 'maintenance' })

  const made = await send(gateway, 'POST', '/api/keys', as('admin'), { name: 'x', role: 'viewer' })
  const revoked = await send(gateway, 'DELETE', `/api/keys/${id}`, as('admin'))

  t.same([made.body.code, revoked.status], ['maintenance', 204])
  t.equal(await tried(gateway, key), 'key-revoked')
})

t.test('each change of a key is on record once, without its secret', async t => {
  const gateway = await startGateway(t, { env: BEHIND_PROXY })
  const headers = { ...as('admin'), 'x-request-id': 'r-1' }
  const given = { name: 'import', role: 'viewer', allowed_ips: ['127.0.0.1'] }
  const made = await send(gateway, 'POST', '/api/keys', headers, given)
  const { id, key } = made.body as unknown as CreatedApiKey
  const rotated = await send(gateway, 'POST', `/api/keys/${id}/rotate`, headers, { overlap: 5 })
  await send(gateway, 'DELETE', `/api/keys/${id}`, headers)
  await send(gateway, 'DELETE', `/api/keys/${id}`, headers)

  const pool = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => {} })
  const { rows } = await pool.query(
    `select action, workspace, principal, address, request_id, details::text from sluice.audit order by at, id`,
  )
  const events = await pool.query(`select data::text from sluice.events where type = 'access.changed'`)
  const stored = await pool.query(`select k::text from sluice.api_keys k`)
  await pool.end()

  const origin = { workspace: 'acme', principal: 'admin-of-acme', address: '127.0.0.1', request_id: 'r-1' }
  const entries = rows.map(({ details, ...entry }) => ({ ...entry, details: JSON.parse(details) }))
  t.strictSame(
    entries.filter(({ action }) => action.startsWith('key.')),
    [
      {
        action: 'key.created',
        ...origin,
        details: { key: id, name: 'import', role: 'viewer', expires_at: null, allowed_ips: ['127.0.0.1/32'] },
      },
      {
        action: 'key.rotated',
        ...origin,
        details: { key: id, replaced_by: rotated.body.id, overlap_seconds: 5 },
      },
      { action: 'key.revoked', ...origin, details: { key: id, name: 'import' } },
    ],
  )
  for (const secret of [key, String(rotated.body.key)].map(text => text.split('_')[2] ?? '')) {
    t.notMatch(JSON.stringify([rows, events.rows, stored.rows]), secret)
  }
})

t.test('while the database is down no key is reported as wrong', async t => {
  const database = await createDatabase(t)
  // Elsewhere and before: a gateway that hears of a change looks the key up, sooner or later.
  const elsewhere = await startGateway(t, { databaseUrl: database.url })
  const [used, unused] = [await create(elsewhere), await create(elsewhere)]
  const proxy = await startProxy(t, database.url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  const state = (key: string) => send(gateway, 'GET', '/api/server/state', { 'x-api-key': key })
  t.equal((await state(used.key)).status, 200)

  await proxy.unplug()

  t.equal((await state(used.key)).status, 200, 'it was looked up a moment ago')
  t.match(await state(unused.key), { status: 503, body: { code: 'database-unavailable' } })
  await proxy.plugIn()
  await until('it is taken again', async () => (await state(unused.key)).status === 200)
})

t.test('a key revoked on one gateway works on no gateway, and its streams end', async t => {
  const gateway = await startGateway(t)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  const { id, key } = await create(gateway)
  const streams = await Promise.all(
    [gateway, other].map(({ url }) => openStream(t, `${url}/api/events`, { headers: { 'x-api-key': key } })),
  )
  t.same([await tried(gateway, key), await tried(other, key)], [200, 200])

  await send(gateway, 'DELETE', `/api/keys/${id}`, as('admin'))

  t.equal(await tried(gateway, key), 'key-revoked')
  await until('revoked there too', async () => (await tried(other, key)) === 'key-revoked')
  for (const stream of streams) {
    t.ok(await stream.ended())
    t.match(stream.messages.at(-1), { event: 'auth-revoked' })
  }
})

t.test('a stream of a rotated key ends with the overlap, on every gateway', async t => {
  const gateway = await startGateway(t)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  const { id, key } = await create(gateway)
  const stream = await openStream(t, `${other.url}/api/events`, { headers: { 'x-api-key': key } })

  const { body } = await send(gateway, 'POST', `/api/keys/${id}/rotate`, as('admin'), { overlap: 1 })

  t.ok(await stream.ended())
  t.match(stream.messages.at(-1), { event: 'auth-expired' })
  t.same([await tried(other, key), await tried(other, String(body.key))], ['key-expired', 200])
})
