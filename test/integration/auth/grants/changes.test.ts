/** What a change of grants does to streams that are open, and what credentials with grants can make. */
import t, { type Test } from 'tap'
import { openStream } from '../../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { patienceSignal } from '../../../harness/patience.js'
import { bearer, secondsFromNow, token } from '../../../harness/tokens.js'

const ORDERS = { subscribe: ['orders/*'] }

t.test('open streams follow a change of their key in every process', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const key = await create(one, { grants: { subscribe: ['orders/*', 'rooms/1'] } })
  for (const stream of ['orders/1', 'rooms/1']) await publish(one, { type: 'a.made', data: {} }, { stream })
  const open = (stream: string) =>
    Promise.all([one, two].map(gateway => follow(t, gateway, stream, bearer(key.key))))
  const [kept, narrowed] = [await open('orders/1'), await open('rooms/1')]
  // Its own time ends long after the patience of the test.
  const poll = fetch(`${two.url}/api/events?stream=rooms/1&after=${await headOf(two)}&wait=60s`, {
    headers: { ...bearer(key.key), accept: 'application/json' },
    signal: patienceSignal(15_000),
  })

  const changed = await call(one, 'PATCH', `/api/keys/${key.id}`, { grants: ORDERS })

  t.equal(changed.status, 200)
  for (const stream of narrowed) t.ok(await stream.ended())
  t.equal((await poll).status, 404)
  await publish(one, { type: 'b.made', data: {} }, { stream: 'orders/1' })
  for (const stream of kept) await stream.until(1, 'b.made')
  const again = await Promise.all(
    [one, two].map(({ url }) => fetch(`${url}/api/events?stream=rooms/1`, { headers: bearer(key.key) })),
  )
  t.strictSame(
    again.map(({ status }) => status),
    [404, 404],
  )
  const audit = await call(one, 'GET', '/api/audit?action=key.changed')
  t.match(audit.body, { entries: [{ details: { key: key.id, subscribe: ['orders/*'], publish: [] } }] })
})

t.test('a stream ends when a type of it is taken away, and goes on with the rest', async t => {
  const gateway = await startGateway(t)
  const key = await create(gateway, { grants: ORDERS })
  await publish(gateway, { type: 'a.made', data: {} }, { stream: 'orders/1' })
  const stream = await follow(t, gateway, 'orders/1', bearer(key.key))

  await call(gateway, 'PATCH', `/api/keys/${key.id}`, { grants: { ...ORDERS, types: ['b.*'] } })

  t.ok(await stream.ended())
  t.notMatch(stream.text(), 'auth-revoked')
  const next = await follow(t, gateway, 'orders/1', bearer(key.key))
  await publish(gateway, { type: 'a.made', data: {} }, { stream: 'orders/1' })
  await publish(gateway, { type: 'b.made', data: {} }, { stream: 'orders/1' })
  await next.until(1, 'b.made')
  t.notOk(next.messages.some(({ event }) => event === 'a.made'))
})

t.test('a renewal with narrower grants ends what they leave out, and with wider ones goes on', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  await publish(one, { type: 'a.made', data: {} }, { stream: 'orders/1' })
  const from = (grants: object, seconds: number) =>
    bearer(token({ exp: secondsFromNow(seconds), sluice: grants }))
  const [kept, ended] = await Promise.all([
    follow(t, two, 'orders/1', from(ORDERS, 600)),
    follow(t, two, 'orders/1', from(ORDERS, 600)),
  ])
  const renew = async (stream: typeof kept, grants: object) => {
    const { connection } = JSON.parse(stream.messages[0]?.data ?? '{}')
    return fetch(`${one.url}/api/streams/${connection}/token`, {
      method: 'POST',
      headers: from(grants, 900),
    })
  }

  const answers = [await renew(kept, { subscribe: ['*'] }), await renew(ended, { subscribe: ['rooms/*'] })]

  t.strictSame(
    answers.map(({ status }) => status),
    [202, 202],
  )
  t.ok(await ended.ended())
  await kept.until(1, 'auth-renewed')
})

t.test('a ticket has the grants of its requester, or narrower ones, and those of its key now', async t => {
  const gateway = await startGateway(t)
  const key = await create(gateway, { grants: { subscribe: ['orders/*'] } })
  for (const stream of ['orders/1', 'orders/2', 'rooms/1'])
    await publish(gateway, { type: 'a.made', data: {} }, { stream })
  const open = async (stream: string, grants?: object) => {
    const path = `/api/events?stream=${stream}`
    const issued = await call(gateway, 'POST', '/api/stream-tickets', { path, grants }, bearer(key.key))
    return issued.status === 201 ? `${gateway.url}${issued.body.url}` : issued.body.code
  }
  const statusOf = async (url: string) => {
    const gone = new AbortController()
    const { status } = await fetch(url, { signal: gone.signal })
    gone.abort()
    return status
  }

  const statuses = [
    await statusOf(await open('orders/1')),
    await statusOf(await open('rooms/1')),
    await statusOf(await open('orders/1', { subscribe: ['orders/1'] })),
    await statusOf(await open('orders/2', { subscribe: ['orders/1'] })),
  ]
  const wider = await open('rooms/1', { subscribe: ['*'] })
  const late = await open('orders/2')
  await call(gateway, 'PATCH', `/api/keys/${key.id}`, { grants: { subscribe: ['orders/1'] } })

  t.strictSame(statuses, [200, 404, 200, 404])
  t.equal(wider, 'grants-exceeded')
  t.equal(await statusOf(late), 404)
})

t.test('an admin with grants makes and sees keys within its own only', async t => {
  const gateway = await startGateway(t)
  const admin = bearer(token({ role: 'admin', sluice: { subscribe: ['orders/*'], publish: ['orders/1'] } }))
  const foreign = await create(gateway, { grants: { subscribe: ['rooms/1'] } })
  await create(gateway, {})
  const make = (grants: unknown) =>
    call(gateway, 'POST', '/api/keys', { name: 'k', role: 'admin', grants }, admin)

  const own = await make({ subscribe: ['orders/7'] })
  const refused = [await make(null), await make({ subscribe: ['*'] }), await make({ publish: ['orders/*'] })]
  const listed = await call(gateway, 'GET', '/api/keys?limit=1', undefined, admin)
  const rotated = await call(gateway, 'POST', `/api/keys/${own.body.id}/rotate`, {}, admin)
  const widened = await call(gateway, 'PATCH', `/api/keys/${own.body.id}`, { grants: null }, admin)
  const theirs = await call(gateway, 'DELETE', `/api/keys/${foreign.id}`, undefined, admin)

  t.match(own, { status: 201, body: { grants: { subscribe: ['orders/7'], publish: [], types: ['*'] } } })
  t.strictSame(
    refused.map(({ status, body }) => [status, body.code]),
    Array(3).fill([403, 'grants-exceeded']),
  )
  t.strictSame(
    listed.body.keys.map(({ id }: { id: string }) => id),
    [own.body.id],
  )
  t.equal(listed.body.next_cursor, null)
  t.match(rotated, { status: 201, body: { grants: own.body.grants } })
  t.match(widened, { status: 403, body: { code: 'grants-exceeded' } })
  t.equal(theirs.status, 404)
})

t.test('malformed grants are refused, in a token and in a request', async t => {
  const gateway = await startGateway(t)
  const many = Array.from({ length: 65 }, (_, n) => `s${n}`)
  const malformed = [
    null,
    [],
    'orders/*',
    { subscribe: 'orders/*' },
    { subscribe: ['*.orders'] },
    { subscribe: [''] },
    { subscribe: ['a'.repeat(257)] },
    { subscribe: many },
    { publish: ['^orders$'] },
    { types: ['item.*', 7] },
    { topics: [] },
  ]

  const wrong: string[] = []
  for (const grants of malformed) {
    const claimed = await call(
      gateway,
      'GET',
      '/api/server/state',
      undefined,
      bearer(token({ sluice: grants })),
    )
    if (claimed.status !== 401 || claimed.body.code !== 'token-invalid') wrong.push(JSON.stringify(grants))
    if (grants === null) continue
    const sent = await call(gateway, 'POST', '/api/keys', { name: 'k', role: 'viewer', grants })
    if (sent.status !== 400) wrong.push(`key ${JSON.stringify(grants)}`)
  }

  t.strictSame(wrong, [])
})

async function create(gateway: Gateway, more: object): Promise<{ id: string; key: string }> {
  const made = await call(gateway, 'POST', '/api/keys', { name: 'k', role: 'viewer', ...more })
  return made.body
}

async function headOf(gateway: Gateway): Promise<string> {
  const headers = { accept: 'application/json' }
  return (
    await call(gateway, 'GET', '/api/events?stream=rooms/1', undefined, { ...as('viewer'), ...headers })
  ).body.head
}

async function follow(t: Test, gateway: Gateway, stream: string, headers: Record<string, string>) {
  const opened = await openStream(t, `${gateway.url}/api/events?stream=${stream}`, { headers })
  await opened.until(1)
  return opened
}

async function call(
  { url }: Gateway,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = as('admin'),
) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}
